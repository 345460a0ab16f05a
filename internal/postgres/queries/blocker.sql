-- Which transaction is the oldest one that is open, and how to end it. The owner of the
-- tables does not see it where it is another role's, and the owner is not in pg_monitor.
SELECT coalesce(blocker, 'a transaction that the owner of the table events may not see'),
       CASE WHEN blocker IS NULL THEN 'find it as a superuser: SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY age(backend_xid) DESC LIMIT 1'
            ELSE 'have it committed or rolled back where it was begun, or end it as its user or a superuser: '
                 || coalesce('SELECT pg_terminate_backend(' || substring(blocker FROM '^session (\d+) ') || ')',
                             'ROLLBACK PREPARED ' || quote_literal(substring(blocker FROM '^prepared transaction (.*) \(user ')))
       END
FROM events_blocker() blocker
