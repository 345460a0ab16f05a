-- All layouts but the first begin now.
UPDATE relay_epochs
SET from_xid = pg_current_xact_id(), from_seq = coalesce(pg_sequence_last_value('events_seq'), 0)
WHERE stream = $1 AND epoch > 0
