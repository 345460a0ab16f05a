-- One change of the layouts at a time, until the transaction ends.
SELECT pg_advisory_xact_lock('relay_epochs'::regclass::oid::integer, 0)
