SELECT (SELECT count(*) FROM events WHERE player_id = $1),
       (SELECT count(*) FROM outbox WHERE player_id = $1 AND topic = $2)
