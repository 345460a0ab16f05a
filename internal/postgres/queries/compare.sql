-- In which fields events differ from what is stored under their ids and timestamps;
-- no row where nothing is. LIMIT has each looked up by its key, in the one
-- partition of its day, whatever the planner thinks of their number. $7 and $8 are the
-- first and the last timestamp: other days are left out of the plan, where each look
-- would begin all of them anew.
SELECT u.place, s.player_id <> u.player_id, s.event_type <> u.event_type,
       coalesce(s.metadata_json::text, s.metadata::text) IS DISTINCT FROM u.metadata -- mostly they are the same, and need no parsing
       AND coalesce(s.metadata_json::jsonb, s.metadata) IS DISTINCT FROM u.metadata::jsonb
FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
    AS u (place, event_id, occurred_at, player_id, event_type, metadata)
CROSS JOIN LATERAL (
    SELECT player_id, event_type, metadata_json, metadata
    FROM events
    WHERE event_id = u.event_id AND "timestamp" = u.occurred_at AND "timestamp" BETWEEN $7 AND $8
    LIMIT 1
) s
