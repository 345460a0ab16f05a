-- How many rows of {stream} lie behind a position, counted up to $3; what the sequence has given
-- since, where that is not all of them. And how old the first of them is, and whether a
-- transaction that is still open holds it back.
WITH counted AS (
    SELECT count(*) AS rows
    FROM (SELECT FROM {stream} WHERE (transaction_id, seq) > ($1::xid8, $2::bigint) ORDER BY transaction_id, seq LIMIT $3) unpublished
), oldest AS (
    SELECT {since}, transaction_id >= pg_snapshot_xmin(pg_current_snapshot()) AS held FROM {stream} WHERE (transaction_id, seq) > ($1::xid8, $2::bigint) ORDER BY transaction_id, seq LIMIT 1
)
SELECT CASE WHEN rows < $3 THEN rows ELSE greatest(rows, pg_sequence_last_value('{stream}_seq') - $2) END,
       rows >= $3,
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT {since} FROM oldest)), 0)::double precision,
       coalesce((SELECT held FROM oldest), false)
FROM counted
