-- As next.sql, for lane $6 of $7: up to ($8, $9), which end.sql has told before.
SELECT transaction_id, seq, event_id, player_id, event_type, "timestamp", metadata_json, received_at, test_run, game, sent_at, traffic, traceparent, metadata
FROM events
WHERE (transaction_id, seq) > ($1::xid8, $2::bigint)
  AND (transaction_id, seq) <= ($8::xid8, $9::bigint)
  AND (hashtextextended(player_id, 0) & 9223372036854775807) % $7::bigint = $6::bigint
ORDER BY transaction_id, seq
LIMIT CASE WHEN relay_goes_on($4, $5, $1) THEN $3::bigint END
