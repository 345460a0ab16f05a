-- The last event of layout $1 that is final; whether no more will come behind it, and
-- where the next layout begins. A relay has read up to transaction $4.
WITH later AS (
    SELECT from_xid, from_seq FROM relay_epochs WHERE stream = 'events' AND epoch > $1 ORDER BY epoch LIMIT 1
), final AS (
    SELECT transaction_id AS xid, seq, event_id
    FROM events
    WHERE transaction_id < least(pg_snapshot_xmin(pg_current_snapshot()), (SELECT from_xid FROM later))
    ORDER BY transaction_id DESC, seq DESC
    LIMIT 1
)
SELECT coalesce(final.xid, '0'), coalesce(final.seq, 0), coalesce(final.event_id, '00000000-0000-0000-0000-000000000000'),
       coalesce(pg_snapshot_xmin(pg_current_snapshot()) >= later.from_xid, false), coalesce(later.from_xid, '0'), coalesce(later.from_seq, 0)
FROM (VALUES (0)) one LEFT JOIN later ON true LEFT JOIN final ON true
WHERE relay_goes_on($2, $3, $4::xid8)
