-- +goose Up

-- Fails unless this is the server, and the history of it, that a relay has read from up
-- to a transaction. It is part of each statement that reads on: between two of them a
-- pool may have connected to another primary, which lacks what was published last, and
-- gives its transaction ids to other events.
-- +goose StatementBegin
CREATE FUNCTION relay_goes_on(system bigint, timeline bigint, after xid8) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    system_now bigint := (SELECT system_identifier FROM pg_control_system());
    timeline_now bigint := ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint;
    next xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    IF system_now <> system OR timeline_now <> timeline OR next <= after THEN
        RAISE EXCEPTION 'it was read on system %, timeline %, up to transaction %; this is system %, timeline %, and transaction % comes next',
            system, timeline, after, system_now, timeline_now, next
            USING ERRCODE = 'GM001';
    END IF;
    RETURN true;
END
$$;
-- +goose StatementEnd

-- The cursor of a relay that has long had nothing to publish speaks of the last event
-- of a day that is dropped: after a failover it must be told from one that was lost.
-- +goose StatementBegin
DO $$
DECLARE
    was text := pg_get_functiondef('drop_published_day(date)'::regprocedure);
    now text := replace(was, $drop$EXECUTE format('DROP TABLE %I'$drop$,
        $drop$EXECUTE format('INSERT INTO erased_events SELECT transaction_id, seq, event_id FROM %I ORDER BY transaction_id DESC, seq DESC LIMIT 1 ON CONFLICT DO NOTHING', partition.relname);
        EXECUTE format('DROP TABLE %I'$drop$);
BEGIN
    IF now = was THEN
        RAISE EXCEPTION 'drop_published_day is not as 00009_retention.sql made it';
    END IF;
    EXECUTE now;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE regexp_replace(pg_get_functiondef('drop_published_day(date)'::regprocedure), 'EXECUTE format\(''INSERT INTO erased_events [^\n]*\n\s*', '');
END
$$;
-- +goose StatementEnd
DROP FUNCTION relay_goes_on(bigint, bigint, xid8);
