SELECT event_type, version, schema::text, mode, active, created_at FROM event_schemas WHERE active ORDER BY event_type
