-- The rows go in by id, so that two groups that share ids lock them in the same
-- order and cannot deadlock; seq is given before that, in the order they came.
INSERT INTO events (event_id, player_id, event_type, "timestamp", metadata_json, received_at, test_run, game, sent_at, traffic, traceparent, seq)
SELECT r.event_id, r.player_id, r.event_type, r.occurred_at, r.metadata::json, r.received_at, r.test_run, r.game, r.sent_at, r.traffic, r.traceparent, r.seq
FROM (
    SELECT u.*, nextval('events_seq') AS seq
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::text[],
                $8::text[], $9::timestamptz[], $10::text[], $11::text[])
        AS u (event_id, player_id, event_type, occurred_at, metadata, received_at, test_run, game, sent_at, traffic, traceparent)
) r
ORDER BY r.event_id, r.seq
ON CONFLICT DO NOTHING
RETURNING event_id, "timestamp"
