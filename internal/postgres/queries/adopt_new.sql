-- Publishing starts behind what is stored. Runs after adopt.sql, in its transaction.
UPDATE platform
SET start_xid = pg_current_xact_id(),
    start_seq = greatest((SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(seq), 0) FROM outbox));
