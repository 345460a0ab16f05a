-- A layout of $2 lanes, where the newest has another number.
INSERT INTO relay_epochs (stream, epoch, lanes, from_xid, from_seq)
SELECT stream, epoch + 1, $2, pg_current_xact_id(), coalesce(pg_sequence_last_value('events_seq'), 0)
FROM (SELECT stream, epoch, lanes FROM relay_epochs WHERE stream = $1 ORDER BY epoch DESC LIMIT 1) newest
WHERE lanes <> $2
