-- +goose Up

-- Up to where rows of a stream were deleted because they were old: the last row of the
-- days that were dropped, of the letters that were pruned. A relay looks for the row that
-- it published last. Where it is not there, and not said to be deleted here or in
-- erased_events, the database was set back. What follows on that was set back to has
-- this as it was then: it lies before what was published later.
CREATE TABLE relay_removed (
    stream text   PRIMARY KEY,
    xid    xid8   NOT NULL,
    seq    bigint NOT NULL
);

-- Of what was deleted before there was this table it is known that it was published.
INSERT INTO relay_removed
SELECT DISTINCT ON (stream) stream, xid, seq FROM relay_lanes ORDER BY stream, xid DESC, seq DESC;

-- +goose StatementBegin
DO $$
DECLARE
    further text := 'ON CONFLICT (stream) DO UPDATE SET xid = excluded.xid, seq = excluded.seq WHERE (relay_removed.xid, relay_removed.seq) < (excluded.xid, excluded.seq)';
    change record;
    was text;
BEGIN
    FOR change IN VALUES
        ('drop_published_day(date)'::regprocedure,
         'INSERT INTO erased_events SELECT transaction_id, seq, event_id FROM %I ORDER BY transaction_id DESC, seq DESC LIMIT 1 ON CONFLICT DO NOTHING',
         'INSERT INTO relay_removed SELECT ''''events'''', transaction_id, seq FROM %I ORDER BY transaction_id DESC, seq DESC LIMIT 1 ' || further),
        ('prune_outbox(timestamptz, integer)', 'RETURNING 1',
         'RETURNING o.transaction_id, o.seq
    ), noted AS (
        INSERT INTO relay_removed SELECT ''outbox'', transaction_id, seq FROM deleted ORDER BY transaction_id DESC, seq DESC LIMIT 1
        ' || further)
    LOOP
        was := pg_get_functiondef(change.column1);
        IF strpos(was, change.column2) = 0 THEN
            RAISE EXCEPTION '% is not as an earlier migration made it', change.column1;
        END IF;
        EXECUTE replace(was, change.column2, change.column3);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE regexp_replace(pg_get_functiondef('drop_published_day(date)'::regprocedure), 'INSERT INTO relay_removed [^\n]*\(excluded\.xid, excluded\.seq\)',
                           'INSERT INTO erased_events SELECT transaction_id, seq, event_id FROM %I ORDER BY transaction_id DESC, seq DESC LIMIT 1 ON CONFLICT DO NOTHING');
    EXECUTE regexp_replace(pg_get_functiondef('prune_outbox(timestamptz, integer)'::regprocedure), 'RETURNING o\.transaction_id.*\(excluded\.xid, excluded\.seq\)', 'RETURNING 1');
END
$$;
-- +goose StatementEnd
DROP TABLE relay_removed;
