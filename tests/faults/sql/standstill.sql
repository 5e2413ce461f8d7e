-- The longest time from one row to the next, or from the last one until now.
SELECT coalesce(extract(EPOCH FROM max(gap)), 0)::float8
FROM (
    SELECT at - lag(at) OVER (ORDER BY at) AS gap
    FROM (
        SELECT landed_at AS at FROM events WHERE id > %(since_id)s AND landed_at > to_timestamp(%(from_s)s)
        UNION ALL
        SELECT unnest(ARRAY[to_timestamp(%(from_s)s), clock_timestamp()])
    ) AS moments
) AS gaps
