-- What the services may do: ingestion stores and looks at API keys, the relay reads. {role}, {owner},
-- {database} and {schema} are names. Granting what is granted changes nothing.
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON platform TO {role};
GRANT SELECT, INSERT ON events TO {role};
GRANT SELECT, INSERT, UPDATE (last_used, expires_at, revoked_at) ON api_keys TO {role}; -- gmctl keys, in a pod
GRANT USAGE ON SEQUENCE events_seq TO {role};
GRANT EXECUTE ON FUNCTION ensure_events_partition(date), events_blocker() TO {role};
GRANT EXECUTE ON FUNCTION relay_goes_on(bigint, bigint, xid8) TO {role};
GRANT SELECT ON event_schemas, erased_events, relay_removed TO {role};
GRANT SELECT, INSERT ON outbox TO {role};
GRANT USAGE ON SEQUENCE outbox_seq TO {role};
GRANT EXECUTE ON FUNCTION prune_outbox(timestamptz, integer) TO {role};
GRANT SELECT, INSERT, UPDATE ON relay_lanes, relay_epochs TO {role};
GRANT SELECT ON relay_progress TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON relay_members TO {role};
GRANT EXECUTE ON FUNCTION drop_published_day(date) TO {role};
