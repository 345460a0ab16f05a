WITH before AS (
    UPDATE api_keys SET revoked_at = $5
    WHERE game = $3 AND name = $4 AND id <> $1 AND revoked_at IS NULL
)
INSERT INTO api_keys (id, hash, game, name, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING
