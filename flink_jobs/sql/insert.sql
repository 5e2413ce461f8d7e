INSERT INTO sink_events
SELECT
    event_id,
    user_name,
    location,
    kafka_partition,
    kafka_offset,
    produced_at
FROM source_events
