SELECT event_type, version, schema::text, mode, active, created_at FROM event_schemas ORDER BY event_type, version
