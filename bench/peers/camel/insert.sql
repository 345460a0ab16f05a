INSERT INTO events (event_id, player_id, event_type, "timestamp", metadata_json)
SELECT "eventId", "playerId", "eventType", "timestamp", metadata
FROM jsonb_to_record(CAST(:#${variable.event} AS jsonb))
  AS e("eventId" uuid, "playerId" text, "eventType" text, "timestamp" timestamptz, metadata json)
ON CONFLICT DO NOTHING
