COPY events (event_id, player_id, event_type, "timestamp", metadata_json, received_at, test_run, game, sent_at, traffic, traceparent)
FROM STDIN (FORMAT binary)
