SELECT transaction_id, seq, id, topic, player_id, value, headers, created_at
FROM outbox
WHERE (transaction_id, seq) > ($1::xid8, $2::bigint)
  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) -- no transaction before these is still open
ORDER BY transaction_id, seq
LIMIT CASE WHEN relay_goes_on($4, $5, $1) THEN $3::bigint END
