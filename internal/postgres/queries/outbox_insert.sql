INSERT INTO outbox (id, topic, player_id, value, headers, seq)
VALUES ($1, $2, $3, $4, $5, coalesce($6::bigint, nextval('outbox_seq')))
ON CONFLICT (id) DO NOTHING
