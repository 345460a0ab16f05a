-- The columns in the order that scanRecord reads. A null game is any.
SELECT event_id, player_id, event_type, "timestamp", coalesce(metadata_json::text, metadata::text), received_at, test_run, game, sent_at, traffic, traceparent
FROM events
WHERE event_id = $1 AND ($2::text IS NULL OR game = $2)
ORDER BY "timestamp"
