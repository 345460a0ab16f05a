-- Says that $2 is there for $3, no longer where that is nothing; the answer is who is
-- there, the oldest first. Time is the database's alone. Who is said to be there for much
-- longer said so before the clock was set back.
WITH gone AS (
    DELETE FROM relay_members WHERE stream = $1 AND member <> $2
    AND (until < clock_timestamp() OR $3::interval > '0' AND until > clock_timestamp() + 10 * $3::interval)
    RETURNING member
), own AS (
    INSERT INTO relay_members AS m (stream, member, joined_at, until)
    VALUES ($1, $2, clock_timestamp(), clock_timestamp() + $3::interval)
    ON CONFLICT (stream, member) DO UPDATE SET until = excluded.until
    RETURNING member, joined_at
)
SELECT member FROM (
    SELECT member, joined_at FROM relay_members WHERE stream = $1 AND member <> $2 AND member NOT IN (SELECT member FROM gone)
    UNION ALL
    SELECT member, joined_at FROM own WHERE $3::interval > '0'
) m
ORDER BY joined_at, member
