-- The sum of the offsets tells equal numbers of other rows apart.
SELECT
    (SELECT count(*) FROM dead_letters WHERE topic = %(topic)s AND produced_at >= %(begin)s AND produced_at < %(end)s),
    count(*),
    coalesce(sum(kafka_offset), 0)::text
FROM events
WHERE produced_at >= %(begin)s AND produced_at < %(end)s
