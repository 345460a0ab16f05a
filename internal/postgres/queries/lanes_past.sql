-- The lanes of layouts before $2 have finished in these topics, whatever they noted of others.
UPDATE relay_lanes l
SET topics = $3
FROM relay_progress p
WHERE p.stream = $1 AND p.epoch < $2 AND l.stream = p.stream AND l.lane = p.lane AND NOT l.topics && $3
