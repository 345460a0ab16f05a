-- The rejected events that are final behind a position, in commit order.
SELECT (convert_from(value, 'UTF8')::jsonb->>'eventId')::uuid, player_id,
       coalesce((convert_from(value, 'UTF8')::jsonb->'metadata'->>'n')::integer, 0), transaction_id, seq,
       '', '', to_timestamp(0), value
FROM outbox
WHERE topic = 'dlq.events' AND (transaction_id, seq) > ($1::xid8, $2::bigint) AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY transaction_id, seq
