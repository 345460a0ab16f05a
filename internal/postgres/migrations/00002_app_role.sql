-- +goose Up

-- The services log in as a role that owns nothing. What they need beyond reading
-- and inserting, these functions do as their owner. pg_temp comes last, so that
-- no one puts a table of theirs in the place of one of the platform's.

-- Names the oldest transaction that may still write: nothing stored after it
-- began is final before it ends. Roles see no other role's transactions, so that
-- only the owner can tell. Prepared transactions have no session.
-- +goose StatementBegin
CREATE FUNCTION events_blocker() RETURNS text
LANGUAGE sql SECURITY DEFINER AS $$
    SELECT 'session ' || pid || ' (' || coalesce(nullif(application_name, ''), backend_type) || ', user ' || coalesce(usename, '?')
           || coalesce(', open for ' || date_trunc('second', clock_timestamp() - xact_start)::text, '') || ')'
    FROM pg_stat_activity
    WHERE backend_xid::text::bigint = pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296
    UNION ALL
    SELECT 'prepared transaction ' || gid || ' (user ' || owner || ', since ' || date_trunc('second', prepared)::text || ')'
    FROM pg_prepared_xacts
    WHERE transaction::text::bigint = pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296
    LIMIT 1
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION events_blocker() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION ensure_events_partition(date) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION events_blocker(), ensure_events_partition(date) FROM PUBLIC;

-- +goose Down
ALTER FUNCTION ensure_events_partition(date) SECURITY INVOKER RESET search_path;
GRANT EXECUTE ON FUNCTION ensure_events_partition(date) TO PUBLIC;
DROP FUNCTION events_blocker();
