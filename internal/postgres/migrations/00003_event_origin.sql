-- +goose Up

-- What is known of where an event comes from, besides what it says itself. The
-- columns have no default: the table is not rewritten.
ALTER TABLE events
    ADD COLUMN game        text,
    ADD COLUMN sent_at     timestamptz,
    ADD COLUMN traffic     text,
    ADD COLUMN traceparent text;

COMMENT ON COLUMN events.game IS 'game whose API key it came with; null: none';
COMMENT ON COLUMN events.sent_at IS 'when the client sent it, by the client''s clock; null: it did not say';
COMMENT ON COLUMN events.traffic IS 'bot or self; null: a player''s';
COMMENT ON COLUMN events.traceparent IS 'W3C trace context of the request that brought it; null: none';

-- +goose Down
ALTER TABLE events DROP COLUMN game, DROP COLUMN sent_at, DROP COLUMN traffic, DROP COLUMN traceparent;
