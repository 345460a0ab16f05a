SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::double precision
FROM (
    SELECT received_at FROM events
    WHERE (xid, seq) > ($1::xid8, $2::bigint)
    ORDER BY xid, seq
    LIMIT $3
) unpublished
