-- Nothing comes back where another one was quicker.
UPDATE erasures SET completed_at = clock_timestamp()
WHERE id = $1 AND completed_at IS NULL
RETURNING events, completed_at
