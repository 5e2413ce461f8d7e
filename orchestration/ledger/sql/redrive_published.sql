WITH sent AS (
    UPDATE redrives AS r
    SET state = 'published', published_at = clock_timestamp(),
        published_partition = letter.new_partition, published_offset = letter.new_offset
    FROM unnest(%(partitions)s::int [], %(offsets)s::bigint [], %(new_partitions)s::int [], %(new_offsets)s::bigint [])
        AS letter (kafka_partition, kafka_offset, new_partition, new_offset)
    WHERE r.topic = %(topic)s
        AND r.kafka_partition = letter.kafka_partition
        AND r.kafka_offset = letter.kafka_offset
    RETURNING r.*
)

UPDATE dead_letters AS d
SET redriven_at = sent.published_at, redrive_count = sent.attempts,
    redriven_partition = sent.published_partition, redriven_offset = sent.published_offset
FROM sent
WHERE d.topic = sent.topic AND d.kafka_partition = sent.kafka_partition AND d.kafka_offset = sent.kafka_offset
