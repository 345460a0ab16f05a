-- The oldest transaction that may still write: nothing stored after it began is
-- final before it ends. Prepared transactions have no session.
SELECT 'session ' || pid || ' (' || coalesce(nullif(application_name, ''), backend_type) || ', user ' || coalesce(usename, '?')
       || coalesce(', open for ' || date_trunc('second', clock_timestamp() - xact_start)::text, '') || ')'
FROM pg_stat_activity
WHERE backend_xid::text::bigint = pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296
UNION ALL
SELECT 'prepared transaction ' || gid || ' (user ' || owner || ', since ' || date_trunc('second', prepared)::text || ')'
FROM pg_prepared_xacts
WHERE transaction::text::bigint = pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296
LIMIT 1
