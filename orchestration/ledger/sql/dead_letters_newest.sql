SELECT
    d.kafka_partition,
    d.kafka_offset,
    d.reason,
    d.detail,
    substring(d.value FOR %(shown_bytes)s),
    octet_length(d.value),
    d.recorded_at,
    coalesce(r.state, '')
FROM dead_letters AS d
LEFT JOIN redrives AS r USING (topic, kafka_partition, kafka_offset)
WHERE d.topic = %(topic)s
ORDER BY d.recorded_at DESC
LIMIT %(limit)s
