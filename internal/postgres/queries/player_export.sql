-- In the order of time, which the index by player has in each partition.
SELECT event_id, player_id, event_type, "timestamp", coalesce(metadata_json::text, metadata::text), received_at, test_run, game, sent_at, traffic
FROM events
WHERE player_id = $1
ORDER BY "timestamp", event_id
