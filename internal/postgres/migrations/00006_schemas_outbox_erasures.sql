-- +goose Up

-- What the metadata of an event of a type must be like. A version is never
-- changed; at most one of a type is active.
CREATE TABLE event_schemas (
    event_type text        NOT NULL,
    version    integer     NOT NULL CHECK (version > 0),
    schema     json        NOT NULL, -- JSON Schema, as it was written
    mode       text        NOT NULL CHECK (mode IN ('strict', 'report')),
    active     boolean     NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_type, version)
);

CREATE UNIQUE INDEX event_schemas_active ON event_schemas (event_type) WHERE active;

-- Records for Kafka that are no stored events: rejected events, and what tells of
-- an erasure. They are published in commit order as events are, on a lane of
-- their own.
CREATE SEQUENCE outbox_seq AS bigint;

CREATE TABLE outbox (
    id         uuid        PRIMARY KEY, -- the same record again is there once
    topic      text        NOT NULL,
    player_id  text        NOT NULL,    -- the record's key; empty: the record has none
    value      bytea,                   -- null: a tombstone
    headers    text[]      NOT NULL DEFAULT '{}', -- name, value, name, value …
    created_at timestamptz NOT NULL DEFAULT now(),
    xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq        bigint      NOT NULL DEFAULT nextval('outbox_seq')
);

ALTER SEQUENCE outbox_seq OWNED BY outbox.seq;

CREATE INDEX outbox_by_commit ON outbox (xid, seq);
CREATE INDEX outbox_by_player ON outbox (player_id);

-- The erasure of a player: begun, and done once completed_at is set.
CREATE TABLE erasures (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    player_id    text        NOT NULL,
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    events       bigint      NOT NULL DEFAULT 0, -- deleted so far
    completed_at timestamptz
);

CREATE UNIQUE INDEX erasures_open ON erasures (player_id) WHERE completed_at IS NULL;
CREATE INDEX erasures_by_player ON erasures (player_id);

-- Where erased rows stood in the commit order. The relay may have published one of
-- them last: after a failover it must tell an event that was erased from one that
-- was lost. Nothing here names a player.
CREATE TABLE erased_events (
    xid      xid8   NOT NULL,
    seq      bigint NOT NULL,
    event_id uuid   NOT NULL, -- of the event, or of the outbox's record
    PRIMARY KEY (xid, seq, event_id)
);

-- Deletes rejected events that were stored before a moment, so many at most, and
-- tells how many. The newest record stays: the relay's cursor may speak of it.
-- +goose StatementBegin
CREATE FUNCTION prune_outbox(before timestamptz, most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER AS $$
    WITH doomed AS (
        SELECT id FROM outbox
        WHERE topic = 'dlq.events' AND created_at < before
          AND id <> (SELECT id FROM outbox ORDER BY xid DESC, seq DESC LIMIT 1)
        ORDER BY xid, seq
        LIMIT most
    ), deleted AS (
        DELETE FROM outbox o USING doomed d WHERE o.id = d.id RETURNING 1
    )
    SELECT count(*) FROM deleted
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION prune_outbox(timestamptz, integer) SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION prune_outbox(timestamptz, integer) FROM PUBLIC;

-- +goose Down
DROP FUNCTION prune_outbox(timestamptz, integer);
DROP TABLE erased_events;
DROP TABLE erasures;
DROP TABLE outbox;
DROP TABLE event_schemas;
