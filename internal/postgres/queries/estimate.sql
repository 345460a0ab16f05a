-- From what the last ANALYZE saw, scaled to the present size; 250 bytes a row
-- where there was none. The days are those of partitions that hold anything.
WITH partitions AS (
    SELECT c.relname, c.reltuples, c.relpages, pg_relation_size(c.oid) AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass
)
SELECT coalesce(sum(CASE WHEN relpages > 0 AND reltuples >= 0 THEN reltuples / relpages * (bytes / 8192.0) ELSE bytes / 250.0 END), 0)::bigint,
       min(to_timestamp(right(relname, 10) || ' +00', 'YYYY_MM_DD TZH')) FILTER (WHERE bytes > 0),
       max(to_timestamp(right(relname, 10) || ' +00', 'YYYY_MM_DD TZH')) FILTER (WHERE bytes > 0)
FROM partitions
