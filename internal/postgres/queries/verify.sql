SELECT pg_snapshot_xmax(pg_current_snapshot()),
       EXISTS (SELECT FROM events WHERE transaction_id = $1::xid8 AND seq = $2 AND event_id = $3::uuid)
       OR EXISTS (SELECT FROM erased_events WHERE xid = $1::xid8 AND seq = $2 AND event_id = $3::uuid)
       OR EXISTS (SELECT FROM outbox WHERE transaction_id = $1::xid8 AND seq = $2 AND id = $3::uuid)
       OR EXISTS (SELECT FROM relay_removed WHERE stream = $4 AND (xid, seq) >= ($1::xid8, $2::bigint))
       OR EXISTS (SELECT FROM relay_epochs WHERE from_xid = $1::xid8 AND $3::uuid IS NULL)
       OR EXISTS (SELECT FROM platform WHERE start_xid = $1::xid8 AND start_seq = $2 AND $3::uuid IS NULL)
