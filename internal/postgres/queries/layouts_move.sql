-- All layouts but the first begin now, unless the second one no longer begins at ($2, $3).
UPDATE relay_epochs
SET from_xid = pg_current_xact_id(), from_seq = coalesce(pg_sequence_last_value('events_seq'), 0)
WHERE stream = $1 AND epoch > 0
  AND EXISTS (SELECT FROM relay_epochs WHERE stream = $1 AND epoch = 1 AND (from_xid, from_seq) = ($2::xid8, $3::bigint))
