-- Ends every session of the database but this one's and those of the audit.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'gmctl%'
