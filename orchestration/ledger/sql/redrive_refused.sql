UPDATE redrives AS r
SET state = 'refused'
FROM unnest(%(partitions)s::int [], %(offsets)s::bigint []) AS letter (kafka_partition, kafka_offset)
WHERE r.topic = %(topic)s
    AND r.kafka_partition = letter.kafka_partition
    AND r.kafka_offset = letter.kafka_offset
