SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::double precision
FROM (
    SELECT created_at FROM outbox
    WHERE (xid, seq) > ($1::xid8, $2::bigint)
    ORDER BY xid, seq
    LIMIT $3
) unpublished
