-- Makes a copied or restored database one of its own: a new id, and transaction
-- ids for all its events and the outbox that lie before those of every event to come.
LOCK TABLE events, outbox IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL statement_timeout = 0;
UPDATE events SET transaction_id = pg_current_xact_id();
UPDATE outbox SET transaction_id = pg_current_xact_id();
UPDATE platform
SET database_id = gen_random_uuid(),
    system_identifier = c.system_identifier,
    database_oid = d.oid,
    start_xid = '0',
    start_seq = 0,
    created_at = now()
FROM pg_control_system() c, pg_database d
WHERE d.datname = current_database();
DELETE FROM relay_removed;
UPDATE relay_lanes SET xid = '0', seq = 0, topics = '{}', go_on = false WHERE lane NOT LIKE 'main-%';
-- Of the layouts the newest is left, from the first event on: that of one lane ends before it.
DELETE FROM relay_lanes WHERE lane LIKE 'main-%';
WITH newest AS (
    SELECT lanes FROM relay_epochs WHERE stream = 'events' ORDER BY epoch DESC LIMIT 1
), removed AS (
    DELETE FROM relay_epochs WHERE epoch > 1
)
INSERT INTO relay_epochs AS e (stream, epoch, lanes, from_xid, from_seq)
SELECT 'events', 1, lanes, '1', 0 FROM newest WHERE lanes > 1 OR EXISTS (SELECT FROM relay_epochs WHERE epoch = 1)
ON CONFLICT (stream, epoch) DO UPDATE SET lanes = excluded.lanes, from_xid = excluded.from_xid, from_seq = excluded.from_seq;
