-- An event of 1.5 MB, which no broker takes, and one of its player behind it.
INSERT INTO events (event_id, player_id, event_type, "timestamp", metadata_json)
VALUES ($1, $3, 'chaos', $4, json_build_object('n', 1, 'pad', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 46000)))),
       ($2, $3, 'chaos', $4, '{"n": 2}')
