INSERT INTO events (event_id, player_id, event_type, "timestamp", metadata_json, received_at)
SELECT event_id, player_id, event_type, "timestamp", metadata_json, received_at FROM staged
ON CONFLICT DO NOTHING
