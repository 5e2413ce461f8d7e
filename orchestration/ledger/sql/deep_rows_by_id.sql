SELECT
    kafka_partition,
    kafka_offset,
    event_id,
    user_name,
    location,
    round(date_part('epoch', produced_at) * 1000)::BIGINT
FROM events
WHERE event_id = ANY(%(event_ids)s)
    AND kafka_partition IS NOT NULL
    AND kafka_offset IS NOT NULL
