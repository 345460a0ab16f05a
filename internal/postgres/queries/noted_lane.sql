SELECT xid, seq, topics, go_on FROM relay_lanes WHERE stream = $1 AND lane = $2
