UPDATE api_keys SET last_used = $2 WHERE id = ANY ($1) AND (last_used IS NULL OR last_used < $2)
