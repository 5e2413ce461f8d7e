SELECT
    d.kafka_partition,
    d.kafka_offset,
    d.reason,
    d.key,
    d.value,
    d.headers,
    d.produced_at,
    coalesce(r.attempts, 0)
FROM dead_letters AS d
LEFT JOIN redrives AS r USING (topic, kafka_partition, kafka_offset)
WHERE d.topic = %(topic)s
    AND (d.kafka_partition, d.kafka_offset) > (%(after_partition)s, %(after_offset)s)
    AND (%(reasons)s::text [] IS NULL OR d.reason = ANY(%(reasons)s))
    AND (%(partition)s::int IS NULL OR d.kafka_partition = %(partition)s)
    AND (%(from_offset)s::bigint IS NULL OR d.kafka_offset >= %(from_offset)s)
    AND (%(to_offset)s::bigint IS NULL OR d.kafka_offset < %(to_offset)s)
    AND (%(since)s::timestamptz IS NULL OR coalesce(d.produced_at, d.recorded_at) >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR coalesce(d.produced_at, d.recorded_at) < %(until)s)
    AND coalesce(r.state, 'refused') = ANY(%(states)s)
ORDER BY d.kafka_partition, d.kafka_offset
LIMIT %(limit)s
