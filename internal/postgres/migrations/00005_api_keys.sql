-- +goose Up

-- The API keys of the games. Of a key's text there is only the SHA-256: it has
-- 256 random bits, which no slow hash need protect.
CREATE TABLE api_keys (
    id                text        PRIMARY KEY,
    hash              bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    game              text        NOT NULL CHECK (game <> '' OR admin),
    name              text        NOT NULL DEFAULT '',
    created_at        timestamptz NOT NULL DEFAULT now(),
    expires_at        timestamptz,
    revoked_at        timestamptz,
    last_used         date,
    admin             boolean     NOT NULL DEFAULT false,
    events_per_second float8      NOT NULL DEFAULT 0 CHECK (events_per_second >= 0),
    burst             integer     NOT NULL DEFAULT 0 CHECK (burst >= 0),
    player_events_per_second float8 NOT NULL DEFAULT 0 CHECK (player_events_per_second >= 0),
    player_burst      integer     NOT NULL DEFAULT 0 CHECK (player_burst >= 0),
    origins           text[]      NOT NULL DEFAULT '{}',
    self_traffic      boolean     NOT NULL DEFAULT false,
    schema_mode       text        NOT NULL DEFAULT 'off' CHECK (schema_mode IN ('off', 'report', 'strict')),
    dead_letters      boolean     NOT NULL DEFAULT false
);

COMMENT ON COLUMN api_keys.hash IS 'SHA-256 of the key''s text, which is kept nowhere';
COMMENT ON COLUMN api_keys.game IS 'whose events it brings; empty: an administrator''s key for all games';
COMMENT ON COLUMN api_keys.last_used IS 'the last UTC day on which a request came with it; null: none did';
COMMENT ON COLUMN api_keys.events_per_second IS '0: what the deployment says; the same of the other limits';
COMMENT ON COLUMN api_keys.schema_mode IS 'off, report (counted, stored nevertheless) or strict (rejected)';
COMMENT ON COLUMN api_keys.dead_letters IS 'rejected events are kept in dlq.events';

-- +goose Down
DROP TABLE api_keys;
