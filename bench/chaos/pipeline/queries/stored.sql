-- The events that are final behind a position, in commit order.
SELECT event_id, player_id, coalesce((metadata_json->>'n')::integer, 0), transaction_id, seq,
       player_id, event_type, "timestamp", metadata_json::text
FROM events
WHERE (transaction_id, seq) > ($1::xid8, $2::bigint) AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY transaction_id, seq
