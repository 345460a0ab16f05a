-- What is stored and not known to be published: an estimate that looks at no
-- event. The sequence counts what was tried too, so that it is rather too much;
-- a row is as large as those that the last ANALYZE saw, with its share of the
-- indexes, 600 bytes where there was none. Rejected events differ too much for that:
-- the first thousand of them are looked at, and the others are taken to be like them.
WITH published AS (
    SELECT coalesce((SELECT min(seq) FROM relay_progress WHERE stream = 'events' AND NOT finished), (SELECT start_seq FROM platform)) AS seq
), size AS (
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) AS total,
           sum(c.relpages) FILTER (WHERE c.reltuples > 0) * 8192.0 / nullif(sum(c.reltuples) FILTER (WHERE c.reltuples > 0), 0)
               * sum(pg_total_relation_size(c.oid)) / nullif(sum(pg_relation_size(c.oid)), 0) AS of_row
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass
), waiting AS (
    SELECT greatest(coalesce(pg_sequence_last_value('events_seq'), 0) - published.seq, 0) AS events FROM published
), outbox_published AS MATERIALIZED (
    (SELECT xid, seq FROM relay_progress WHERE stream = 'outbox' AND NOT finished ORDER BY xid, seq LIMIT 1)
    UNION ALL
    SELECT start_xid, start_seq FROM platform
    LIMIT 1
), looked_at AS (
    SELECT count(*) AS records,
           coalesce(sum(300 + coalesce(pg_column_size(value), 0) + pg_column_size(headers)), 0) AS bytes -- a row without them is some 100 bytes, the rest its indexes
    FROM (
        SELECT value, headers FROM outbox
        WHERE (transaction_id, seq) > ((SELECT xid FROM outbox_published), (SELECT seq FROM outbox_published))
        ORDER BY transaction_id, seq
        LIMIT 1000
    ) first
), letters AS (
    SELECT CASE WHEN records < 1000 THEN bytes
                ELSE least(bytes / records * greatest(coalesce(pg_sequence_last_value('outbox_seq'), 0) - (SELECT seq FROM outbox_published), records),
                           pg_total_relation_size('outbox')) END::bigint AS bytes
    FROM looked_at
)
SELECT waiting.events, least(waiting.events * coalesce(size.of_row, 600), size.total)::bigint + letters.bytes, letters.bytes
FROM waiting, size, letters
