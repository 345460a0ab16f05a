-- $6 is the layout: a later one takes over at its boundary. Where events behind that can be
-- read, it can be seen.
SELECT transaction_id, seq, event_id, player_id, event_type, "timestamp", metadata_json, received_at, test_run, game, sent_at, traffic, traceparent, metadata
FROM events
WHERE (transaction_id, seq) > ($1::xid8, $2::bigint)
  AND transaction_id < least(pg_snapshot_xmin(pg_current_snapshot()), -- no transaction before these is still open
                  (SELECT min(from_xid) FROM relay_epochs WHERE stream = 'events' AND epoch > $6))
ORDER BY transaction_id, seq
LIMIT CASE WHEN relay_goes_on($4, $5, $1) THEN $3::bigint END
