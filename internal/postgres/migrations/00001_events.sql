-- +goose Up

-- One row: which database this is. A cursor kept outside the database names it.
-- The system identifier and the oid are those of the server the row was made on;
-- they differ from the present ones in a copy (dump and restore, CREATE DATABASE
-- … TEMPLATE), where transaction ids start anew and the cursor is worth nothing.
CREATE TABLE platform (
    only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    database_id       uuid        NOT NULL DEFAULT gen_random_uuid(),
    system_identifier bigint      NOT NULL,
    database_oid      bigint      NOT NULL,
    -- where publishing starts when no cursor is kept: (0, 0) is the first event
    start_xid         xid8        NOT NULL DEFAULT '0',
    start_seq         bigint      NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT now()
);

INSERT INTO platform (system_identifier, database_oid)
SELECT c.system_identifier, d.oid
FROM pg_control_system() c, pg_database d
WHERE d.datname = current_database();

CREATE SEQUENCE events_seq AS bigint;

-- (xid, seq) is the commit order the relay reads in: xid orders transactions,
-- seq the rows of one transaction. A row is final once its xid is below
-- pg_snapshot_xmin(pg_current_snapshot()).
CREATE TABLE events (
    event_id    uuid        NOT NULL,
    player_id   text        NOT NULL,
    event_type  text        NOT NULL,
    "timestamp" timestamptz NOT NULL,
    metadata    jsonb,
    received_at timestamptz NOT NULL DEFAULT now(),
    test_run    text,
    xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq         bigint      NOT NULL DEFAULT nextval('events_seq'),
    PRIMARY KEY (event_id, "timestamp")
) PARTITION BY RANGE ("timestamp");

ALTER SEQUENCE events_seq OWNED BY events.seq;

CREATE INDEX events_by_commit ON events (xid, seq);
CREATE INDEX events_by_player ON events (player_id, "timestamp");

COMMENT ON TABLE events IS 'every accepted player event; one partition a UTC day of "timestamp"';
COMMENT ON COLUMN events.test_run IS 'id of the test run that sent it; null for a real event';
COMMENT ON COLUMN events.xid IS 'transaction that stored it; with seq the order in which it is published';

-- Makes the partition of a UTC day if there is none; true if it made it.
-- The partition is made apart and then attached, which lets reads and writes of
-- events go on: CREATE TABLE … PARTITION OF would lock them out.
-- +goose StatementBegin
CREATE FUNCTION ensure_events_partition(day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'events_' || to_char(day, 'YYYY_MM_DD');
    first_instant text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
    next_instant  text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock('events'::regclass::oid::integer, 0);
    -- Another session may have been quicker. to_regclass might not see it: this
    -- session's catalog cache is not refreshed by an advisory lock.
    PERFORM 1 FROM pg_class
    WHERE relname = partition AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass);
    IF FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', partition);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, first_instant, next_instant);
    RETURN true;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION ensure_events_partition(date);
DROP TABLE events;
DROP TABLE platform;
