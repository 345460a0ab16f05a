-- Who holds the lane, by the rules of claim_lane.sql; $3 is the lease.
SELECT coalesce(max(holder), '') FROM relay_lanes
WHERE stream = $1 AND lane = $2 AND held_until BETWEEN clock_timestamp() AND clock_timestamp() + 10 * $3::interval
