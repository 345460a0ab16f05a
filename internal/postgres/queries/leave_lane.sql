UPDATE relay_lanes
SET holder = '', held_until = clock_timestamp(), published_at = clock_timestamp(),
    xid = CASE WHEN $6::uuid[] <> '{}' OR (xid, seq) < ($4::xid8, $5::bigint) THEN $4::xid8 ELSE xid END,
    seq = CASE WHEN $6::uuid[] <> '{}' OR (xid, seq) < ($4::xid8, $5::bigint) THEN $5::bigint ELSE seq END,
    topics = CASE WHEN $6::uuid[] <> '{}' THEN $6::uuid[] ELSE topics END,
    go_on = go_on AND (xid, seq) >= ($4::xid8, $5::bigint)
WHERE stream = $1 AND lane = $2 AND holder = $3
