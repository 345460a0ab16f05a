-- +goose Up

-- An event's metadata are kept as the text that was sent. They are read once, to be
-- published, and writing the text anew from jsonb was more than half of PostgreSQL's
-- work for it. The column has no default: the table is not rewritten. What was stored
-- before stays in metadata, until its day is dropped.
ALTER TABLE events ADD COLUMN metadata_json json;

COMMENT ON COLUMN events.metadata_json IS 'what the game says of it, as it was sent; null: nothing, or metadata has it';
COMMENT ON COLUMN events.metadata IS 'the same of events that were stored before there was metadata_json';

-- A relay of before would publish new events without their metadata. What it reads by
-- has another name now: it fails until it is replaced. Services of before do not name
-- it, and go on storing events.
ALTER TABLE events RENAME COLUMN xid TO transaction_id;
ALTER TABLE outbox RENAME COLUMN xid TO transaction_id;

-- +goose StatementBegin
DO $$
DECLARE
    change record;
    was text;
BEGIN
    FOR change IN VALUES
        ('drop_published_day(date)'::regprocedure, 'WHERE (xid, seq) >', 'WHERE (transaction_id, seq) >'),
        ('prune_outbox(timestamptz, integer)', 'ORDER BY xid', 'ORDER BY transaction_id')
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
UPDATE events SET metadata = metadata_json::jsonb WHERE metadata_json IS NOT NULL;
ALTER TABLE events DROP COLUMN metadata_json;
COMMENT ON COLUMN events.metadata IS NULL;
ALTER TABLE outbox RENAME COLUMN transaction_id TO xid;
ALTER TABLE events RENAME COLUMN transaction_id TO xid;
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('drop_published_day(date)'::regprocedure), 'WHERE (transaction_id, seq) >', 'WHERE (xid, seq) >');
    EXECUTE replace(pg_get_functiondef('prune_outbox(timestamptz, integer)'::regprocedure), 'ORDER BY transaction_id', 'ORDER BY xid');
END
$$;
-- +goose StatementEnd
