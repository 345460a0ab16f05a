SELECT min(to_date(right(c.relname, 10), 'YYYY_MM_DD'))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass
