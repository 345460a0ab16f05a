SELECT xid, seq, id, topic, player_id, value, headers, created_at
FROM outbox
WHERE (xid, seq) > ($1::xid8, $2::bigint)
  AND xid < pg_snapshot_xmin(pg_current_snapshot()) -- no transaction before these is still open
ORDER BY xid, seq
LIMIT $3
