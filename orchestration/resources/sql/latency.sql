-- The newest ids bound the cost; among them, the rows of the last seconds.
SELECT
    count(*),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms),
    percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_ms)
FROM (
    SELECT extract(EPOCH FROM landed_at - produced_at) * 1000 AS latency_ms
    FROM events
    WHERE id > (SELECT max(id) FROM events) - %(newest_ids)s
        AND landed_at > clock_timestamp() - make_interval(secs => %(window_s)s)
        AND produced_at IS NOT NULL
) AS recent
