-- One erasure of a player is open at a time: who begins another goes on with it.
WITH begun AS (
    INSERT INTO erasures (player_id, requested_by) VALUES ($1, $2)
    ON CONFLICT (player_id) WHERE completed_at IS NULL DO NOTHING
    RETURNING id, requested_by, requested_at, events
)
SELECT id, requested_by, requested_at, events, false FROM begun
UNION ALL
SELECT id, requested_by, requested_at, events, true FROM erasures WHERE player_id = $1 AND completed_at IS NULL
LIMIT 1
