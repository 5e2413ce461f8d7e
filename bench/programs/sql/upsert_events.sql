INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at)
SELECT event_id, user_name, location, kafka_partition, kafka_offset, produced_at FROM staging
ON CONFLICT (event_id) DO UPDATE SET
    user_name = excluded.user_name,
    location = excluded.location,
    kafka_partition = excluded.kafka_partition,
    kafka_offset = excluded.kafka_offset,
    produced_at = excluded.produced_at
