-- Of the newest rows: when the first landed after `ended_at` that was produced after `struck_at`.
SELECT extract(EPOCH FROM min(landed_at))::float8
FROM (SELECT produced_at, landed_at FROM events WHERE id > %(since_id)s ORDER BY id DESC LIMIT 50000) AS newest
WHERE produced_at > to_timestamp(%(struck_at)s) AND landed_at > to_timestamp(%(ended_at)s)
