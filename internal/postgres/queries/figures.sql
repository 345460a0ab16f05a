SELECT count(*) FILTER (WHERE test_run IS NULL),
       min("timestamp") FILTER (WHERE test_run IS NULL),
       max("timestamp") FILTER (WHERE test_run IS NULL)
FROM events
