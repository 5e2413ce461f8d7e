-- BIGSERIAL: each conflict of the upsert burns an id, so a 32-bit serial would run out long before the rows do.
CREATE TABLE events (
    id BIGSERIAL PRIMARY KEY,
    event_id VARCHAR(50) NOT NULL UNIQUE,
    user_name VARCHAR(50) NOT NULL,
    location VARCHAR(100) NOT NULL,
    kafka_partition INT,
    kafka_offset BIGINT,
    produced_at TIMESTAMPTZ(3),
    landed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- BRIN costs the sink next to nothing per row; offsets grow with the table, which is what BRIN needs.
CREATE INDEX events_kafka_offset ON events USING brin (kafka_offset) WITH (autosummarize = on);

COMMENT ON COLUMN events.produced_at IS 'timestamp of the Kafka record';
COMMENT ON COLUMN events.landed_at IS 'when the row was first inserted; an upsert of the same event_id leaves it';
