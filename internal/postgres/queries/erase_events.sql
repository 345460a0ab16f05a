-- Deletes so many events of a player at most, the oldest first, keeps where they
-- stood in the commit order, and notes how many went in the erasure itself.
WITH doomed AS (
    SELECT event_id, "timestamp" FROM events WHERE player_id = $1 ORDER BY "timestamp" LIMIT $2
), deleted AS (
    DELETE FROM events e USING doomed d
    WHERE e.event_id = d.event_id AND e."timestamp" = d."timestamp" AND e.player_id = $1
    RETURNING e.transaction_id, e.seq, e.event_id
), kept AS (
    INSERT INTO erased_events (xid, seq, event_id) SELECT transaction_id, seq, event_id FROM deleted ON CONFLICT DO NOTHING
)
UPDATE erasures SET events = events + (SELECT count(*) FROM deleted)
WHERE id = $3
RETURNING (SELECT count(*) FROM deleted)
