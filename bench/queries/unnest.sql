INSERT INTO events (event_id, player_id, event_type, "timestamp", metadata_json, received_at)
SELECT event_id, player_id, event_type, occurred_at, metadata::json, received_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[])
    AS u (event_id, player_id, event_type, occurred_at, metadata, received_at)
ON CONFLICT DO NOTHING
