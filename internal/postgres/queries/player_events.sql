-- The columns in the order that scanRecord reads. A null game is any. A position
-- is a row: of two events at one time the one with the higher id comes first.
SELECT event_id, player_id, event_type, "timestamp", coalesce(metadata_json::text, metadata::text), received_at, test_run, game, sent_at, traffic, traceparent
FROM events
WHERE player_id = $1 AND ($2::text IS NULL OR game = $2)
  AND "timestamp" <= $3 AND ("timestamp", event_id) < ($3, $4)
ORDER BY "timestamp" DESC, event_id DESC
LIMIT $5
