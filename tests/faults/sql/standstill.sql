-- The longest time from one row to the next.
SELECT coalesce(extract(EPOCH FROM max(gap)), 0)::float8
FROM (
    SELECT landed_at - lag(landed_at) OVER (ORDER BY landed_at) AS gap
    FROM events
    WHERE id > %(since_id)s AND landed_at > to_timestamp(%(from_s)s)
) AS gaps
