-- Says where the lane, and with the main one those of all layouts and the outbox, goes
-- on without a cursor: from the first event, from what is noted, or, rather twice than
-- never, from the first transaction that is still open; a lane of a past layout from no
-- further than its end, behind which it would take its history for lost. A lane that a
-- relay works on is left alone: another one was quicker to adopt it. It does by the rules
-- of claim_lane.sql; $3 is the lease.
WITH here AS (
    SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8 AS xid,
           coalesce(pg_sequence_last_value('events_seq'), 0) AS seq
), new AS (
    SELECT p.stream, p.lane, least(here.xid, p.until_xid) AS xid,
           CASE WHEN p.until_xid < here.xid THEN p.until_seq ELSE here.seq END AS seq
    FROM here, relay_progress p
)
UPDATE relay_lanes l
SET go_on = $2 <> 'all',
    xid = CASE WHEN $2 = 'all' THEN '0' WHEN $2 = 'new' AND l.xid < new.xid THEN new.xid ELSE l.xid END,
    seq = CASE WHEN $2 = 'all' THEN 0 WHEN $2 = 'new' AND l.xid < new.xid THEN new.seq ELSE l.seq END
FROM new
WHERE l.stream = new.stream AND l.lane = new.lane
  AND (l.stream = 'events' AND (l.lane = $1 OR $1 = 'main' AND l.lane LIKE 'main-%') OR l.stream = 'outbox' AND $1 = 'main')
  AND (l.holder = '' OR l.held_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + 10 * $3::interval)
