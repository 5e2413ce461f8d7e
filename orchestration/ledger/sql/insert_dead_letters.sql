INSERT INTO dead_letters (
    topic, kafka_partition, kafka_offset, reason, detail, key, value, headers, produced_at, restored_at
) VALUES %s
ON CONFLICT DO NOTHING
