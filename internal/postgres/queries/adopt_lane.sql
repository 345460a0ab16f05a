-- Says where the lane, and with the main one those of all layouts and the outbox, goes
-- on without a cursor: from the first event, from what is noted, or, rather twice than
-- never, from the first transaction that is still open. A lane that a relay works on is left alone:
-- another one was quicker to adopt it.
WITH here AS (
    SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8 AS xid,
           coalesce(pg_sequence_last_value('events_seq'), 0) AS seq
)
UPDATE relay_lanes l
SET go_on = $2 <> 'all',
    xid = CASE WHEN $2 = 'all' THEN '0' WHEN $2 = 'new' AND l.xid < here.xid THEN here.xid ELSE l.xid END,
    seq = CASE WHEN $2 = 'all' THEN 0 WHEN $2 = 'new' AND l.xid < here.xid THEN here.seq ELSE l.seq END
FROM here
WHERE (l.stream = 'events' AND (l.lane = $1 OR $1 = 'main' AND l.lane LIKE 'main-%') OR l.stream = 'outbox' AND $1 = 'main')
  AND (l.holder = '' OR l.held_until < clock_timestamp())
