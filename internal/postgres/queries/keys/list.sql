-- In the order of columns that scanKey reads.
SELECT id, hash, game, name, created_at, expires_at, revoked_at, last_used, admin,
       events_per_second, burst, player_events_per_second, player_burst, origins, self_traffic, schema_mode, dead_letters
FROM api_keys
