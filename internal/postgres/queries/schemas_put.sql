-- Runs behind the lock and the deactivation of the type's other versions.
INSERT INTO event_schemas (event_type, version, schema, mode)
SELECT $1, coalesce(max(version), 0) + 1, $2::json, $3 FROM event_schemas WHERE event_type = $1
RETURNING version
