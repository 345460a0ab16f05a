-- What lanes of layouts behind $2 have noted of other topics than these is no longer true: a
-- lane before them begins anew.
UPDATE relay_lanes l
SET xid = '0', seq = 0, topics = '{}', go_on = false
FROM relay_progress p
WHERE p.stream = $1 AND p.epoch > $2 AND l.stream = p.stream AND l.lane = p.lane AND NOT l.topics && $3
