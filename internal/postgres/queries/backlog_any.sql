-- Whether any event lies behind what is published. The newest one is looked up in the
-- commit-order index of each partition.
WITH published AS MATERIALIZED (
    (SELECT xid, seq FROM relay_progress WHERE stream = 'events' AND NOT finished ORDER BY xid, seq LIMIT 1)
    UNION ALL
    SELECT start_xid, start_seq FROM platform
    LIMIT 1
), newest AS MATERIALIZED (
    SELECT transaction_id, seq FROM events ORDER BY transaction_id DESC, seq DESC LIMIT 1
)
SELECT EXISTS (SELECT FROM newest, published WHERE (newest.transaction_id, newest.seq) > (published.xid, published.seq))
