UPDATE relay_lanes
SET holder = '', held_until = clock_timestamp(), published_at = clock_timestamp(),
    xid = CASE WHEN (xid, seq) < ($4::xid8, $5::bigint) THEN $4::xid8 ELSE xid END,
    seq = CASE WHEN (xid, seq) < ($4::xid8, $5::bigint) THEN $5::bigint ELSE seq END
WHERE stream = $1 AND lane = $2 AND holder = $3
