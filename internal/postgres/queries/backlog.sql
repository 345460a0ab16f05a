-- What is stored and not known to be published: an estimate that looks at no
-- event. The sequence counts what was tried too, so that it is rather too much;
-- a row is as large as those that the last ANALYZE saw, with its share of the
-- indexes, 600 bytes where there was none.
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
)
SELECT waiting.events, least(waiting.events * coalesce(size.of_row, 600), size.total)::bigint
FROM waiting, size
