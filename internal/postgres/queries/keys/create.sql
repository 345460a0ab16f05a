INSERT INTO api_keys (id, hash, game, name, created_at, expires_at, admin, events_per_second, burst,
                      player_events_per_second, player_burst, origins, self_traffic, schema_mode, dead_letters)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
