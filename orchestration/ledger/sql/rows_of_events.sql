SELECT event_id, kafka_partition, kafka_offset
FROM events
WHERE event_id = ANY(%(event_ids)s)
