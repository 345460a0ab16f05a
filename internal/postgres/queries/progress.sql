-- Up to where lane $2 is known to have published; '' stands for all lanes of the layouts,
-- of which the one furthest behind counts.
WITH noted AS (
    SELECT xid, seq FROM relay_progress
    WHERE stream = $1 AND NOT finished AND CASE $2::text WHEN '' THEN epoch IS NOT NULL ELSE lane = $2 END
    ORDER BY xid, seq
    LIMIT 1
)
SELECT CASE WHEN (noted.xid, noted.seq) > (start_xid, start_seq) THEN noted.xid ELSE start_xid END,
       CASE WHEN (noted.xid, noted.seq) > (start_xid, start_seq) THEN noted.seq ELSE start_seq END
FROM platform LEFT JOIN noted ON true
