-- Runs before adopt_lane.sql: rows for the lanes that have yet to say anything.
INSERT INTO relay_lanes (stream, lane, holder, held_until, xid, seq, published_at, topics)
SELECT p.stream, p.lane, '', clock_timestamp(), p.xid, p.seq, clock_timestamp(), main.topics
FROM relay_progress p JOIN relay_lanes main ON main.stream = p.stream AND main.lane = 'main'
WHERE p.stream = 'events' AND p.epoch > 0
ON CONFLICT DO NOTHING
