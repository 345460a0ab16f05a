-- When the oldest of the published rejected events was stored that, with those after it,
-- take $1 bytes; null where all take less.
SELECT max(created_at)
FROM (
    SELECT created_at, sum(300 + pg_column_size(value) + pg_column_size(headers)) OVER (ORDER BY transaction_id DESC, seq DESC) AS bytes
    FROM outbox
    WHERE topic = 'dlq.events'
) letters
WHERE bytes > $1
