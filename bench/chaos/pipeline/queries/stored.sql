-- The events that are final behind a position, in commit order.
SELECT event_id, player_id, coalesce((metadata->>'n')::integer, 0), xid, seq
FROM events
WHERE (xid, seq) > ($1::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, seq
