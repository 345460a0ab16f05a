-- The player's rejected events go too; what told of earlier erasures stays.
WITH deleted AS (
    DELETE FROM outbox WHERE player_id = $1 AND topic = $2 RETURNING transaction_id, seq, id
)
INSERT INTO erased_events (xid, seq, event_id) SELECT transaction_id, seq, id FROM deleted ON CONFLICT DO NOTHING
