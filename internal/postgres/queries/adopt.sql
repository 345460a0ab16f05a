-- Makes a copied or restored database one of its own: a new id, and transaction
-- ids for all its events and the outbox that lie before those of every event to come.
LOCK TABLE events, outbox IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL statement_timeout = 0;
UPDATE events SET xid = pg_current_xact_id();
UPDATE outbox SET xid = pg_current_xact_id();
UPDATE platform
SET database_id = gen_random_uuid(),
    system_identifier = c.system_identifier,
    database_oid = d.oid,
    start_xid = '0',
    start_seq = 0,
    created_at = now()
FROM pg_control_system() c, pg_database d
WHERE d.datname = current_database();
UPDATE relay_lanes SET xid = '0', seq = 0, topics = '{}', go_on = false;
