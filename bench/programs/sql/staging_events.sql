CREATE TEMPORARY TABLE staging (
    event_id TEXT, user_name TEXT, location TEXT, kafka_partition INT, kafka_offset BIGINT, produced_at TIMESTAMPTZ
)
