INSERT INTO outbox (id, topic, player_id, value, headers)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING
