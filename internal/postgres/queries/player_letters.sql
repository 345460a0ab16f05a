-- The rejected events of a player that are kept, in the order in which they came.
SELECT value, headers, created_at
FROM outbox
WHERE player_id = $1 AND topic = $2
ORDER BY transaction_id, seq
