SELECT coalesce(max(holder), '') FROM relay_lanes WHERE stream = $1 AND lane = $2 AND held_until >= clock_timestamp()
