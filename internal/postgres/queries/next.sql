SELECT xid, seq, event_id, player_id, event_type, "timestamp", metadata, received_at, test_run, game, sent_at, traffic, traceparent
FROM events
WHERE (xid, seq) > ($1::xid8, $2::bigint)
  AND xid < pg_snapshot_xmin(pg_current_snapshot()) -- no transaction before these is still open
ORDER BY xid, seq
LIMIT $3
