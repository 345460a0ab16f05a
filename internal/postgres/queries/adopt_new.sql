-- Publishing starts behind what is stored. Runs after adopt.sql, in its transaction.
UPDATE platform
SET start_xid = pg_current_xact_id(),
    start_seq = (SELECT coalesce(max(seq), 0) FROM events);
