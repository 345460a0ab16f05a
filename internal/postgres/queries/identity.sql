SELECT p.database_id::text, p.system_identifier, p.database_oid, c.system_identifier, d.oid::bigint,
       ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint, -- the timeline
       p.start_xid, p.start_seq, clock_timestamp()
FROM platform p, pg_control_system() c, pg_database d
WHERE d.datname = current_database()
