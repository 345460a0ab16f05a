-- Fills the partition of one day with made-up events, numbers first to behind - 1,
-- and makes its indexes after that, which is quicker. What an event is follows from
-- its number alone (bench/ingestion_past.go makes the same), so that it can be sent
-- again. It has no metadata, to save disk.
CREATE FUNCTION pg_temp.fill_day(day date, first bigint, behind bigint, start_ms bigint, step_ms bigint, players bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'events_' || to_char(day, 'YYYY_MM_DD');
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS %I', partition); -- made ahead, and empty
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', partition);
    EXECUTE format($insert$
        INSERT INTO %I (event_id, player_id, event_type, "timestamp", received_at, seq)
        SELECT ('0' || to_hex(ms) || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
               'player-' || n * 7919 %% $5, 'shot_fired', at, at, n
        FROM generate_series($1, $2 - 1) n,
             LATERAL (SELECT $3 + n * $4 AS ms, md5(n::text) AS hash) made,
             LATERAL (SELECT timestamptz 'epoch' + ms * interval '1 millisecond' AS at) moment
    $insert$, partition) USING first, behind, start_ms, step_ms, players;
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (event_id, "timestamp")', partition);
    EXECUTE format('CREATE INDEX ON %I (transaction_id, seq)', partition);
    EXECUTE format('CREATE INDEX ON %I (player_id, "timestamp")', partition);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, day || ' 00:00:00+00', day + 1 || ' 00:00:00+00');
END
$$
