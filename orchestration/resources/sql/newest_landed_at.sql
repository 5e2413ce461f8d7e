SELECT landed_at FROM events ORDER BY id DESC LIMIT 1
