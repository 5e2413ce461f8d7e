SELECT extract(EPOCH FROM max(landed_at))::float8
FROM (SELECT landed_at FROM events WHERE id > %(since_id)s ORDER BY id DESC LIMIT 5000) AS newest
