SELECT
    d.kafka_partition AS partition,
    d.kafka_offset AS "offset",
    d.reason,
    d.detail,
    d.key,
    d.value,
    d.headers::text AS headers,
    d.produced_at,
    d.recorded_at,
    d.restored_at,
    r.state AS redrive,
    r.attempts AS redrive_attempts,
    r.run AS redrive_run,
    r.published_at,
    r.published_partition,
    r.published_offset
FROM dead_letters AS d
LEFT JOIN redrives AS r USING (topic, kafka_partition, kafka_offset)
WHERE d.topic = %(topic)s
    AND d.kafka_partition = %(partition)s
    AND d.kafka_offset = %(offset)s
