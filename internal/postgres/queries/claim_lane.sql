-- Takes the lane, or keeps it: it is free, held by the one who asks, or held for
-- too long. The answer is who holds it now. Time is the database's alone. A relay
-- that names its topics knows where it is, which may be behind what was noted: of
-- another Kafka, or of one that was set back.
WITH taken AS (
    INSERT INTO relay_lanes AS l (stream, lane, holder, held_until, xid, seq, published_at, topics)
    VALUES ($1, $2, $3, clock_timestamp() + $4::interval, $5::xid8, $6::bigint, clock_timestamp(), $7::uuid[])
    ON CONFLICT (stream, lane) DO UPDATE
    SET holder = excluded.holder,
        held_until = excluded.held_until,
        xid = CASE WHEN excluded.topics <> '{}' OR (l.xid, l.seq) < (excluded.xid, excluded.seq) THEN excluded.xid ELSE l.xid END,
        seq = CASE WHEN excluded.topics <> '{}' OR (l.xid, l.seq) < (excluded.xid, excluded.seq) THEN excluded.seq ELSE l.seq END,
        topics = CASE WHEN excluded.topics <> '{}' THEN excluded.topics ELSE l.topics END,
        go_on = l.go_on AND (l.xid, l.seq) >= (excluded.xid, excluded.seq),
        published_at = excluded.published_at
    WHERE l.holder IN ('', excluded.holder) OR l.held_until < clock_timestamp()
       OR l.held_until > clock_timestamp() + 10 * $4::interval -- the clock was set back
    RETURNING holder
)
SELECT holder FROM taken
UNION ALL
SELECT holder FROM relay_lanes WHERE stream = $1 AND lane = $2 AND NOT EXISTS (SELECT FROM taken)
LIMIT 1
