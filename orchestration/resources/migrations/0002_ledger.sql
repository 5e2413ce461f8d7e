-- The ledger asks for ranges of offsets in one partition. Plain BRIN keeps one minimum and maximum for each 128 pages,
-- which mean little once partitions of unequal length share the pages, or a vacuum has let new rows into old ones: then
-- the whole table is read. This index keeps up to 32 intervals of partition and offset, and costs the writer as little.
DROP INDEX events_kafka_offset;
CREATE INDEX events_kafka_place ON events USING brin (
    ((kafka_partition::bigint << 48) + kafka_offset) int8_minmax_multi_ops (values_per_range = 64)
) WITH (autosummarize = on);

-- Records that broke the event contract. The raw bytes are kept, so that a letter can be repaired and sent again.
CREATE TABLE dead_letters (
    topic TEXT NOT NULL,
    kafka_partition INT NOT NULL,
    kafka_offset BIGINT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    key BYTEA,
    value BYTEA,
    headers JSON NOT NULL DEFAULT '[]',
    produced_at TIMESTAMPTZ(3),
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    restored_at TIMESTAMPTZ,
    redriven_at TIMESTAMPTZ,
    redrive_count INT NOT NULL DEFAULT 0,
    redriven_partition INT,
    redriven_offset BIGINT,
    PRIMARY KEY (topic, kafka_partition, kafka_offset)
);

CREATE INDEX dead_letters_recorded_at ON dead_letters (recorded_at);

COMMENT ON COLUMN dead_letters.reason IS 'a value of contract.event.Reason';
COMMENT ON COLUMN dead_letters.headers IS 'array of [name, base64 of the value or null]; JSON, as JSONB refuses U+0000';
COMMENT ON COLUMN dead_letters.produced_at IS 'timestamp of the Kafka record; null if no date can hold it';
COMMENT ON COLUMN dead_letters.restored_at IS 'when the ledger found this letter deleted and wrote it again, its redrive state unknown';

-- One row for each audited range of a partition. The sets name the offsets of each fate but landed, which is the rest.
CREATE TABLE ledger (
    topic TEXT NOT NULL,
    kafka_partition INT NOT NULL,
    from_offset BIGINT NOT NULL,
    to_offset BIGINT NOT NULL,
    landed BIGINT NOT NULL CHECK (landed >= 0),
    superseded BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    superseded_offsets INT8MULTIRANGE NOT NULL,
    dead_offsets INT8MULTIRANGE NOT NULL,
    gone_offsets INT8MULTIRANGE NOT NULL,
    lost_offsets INT8MULTIRANGE NOT NULL,
    audited_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    counted_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, kafka_partition, from_offset),
    CHECK (from_offset < to_offset),
    CONSTRAINT ledger_balances CHECK (landed + superseded + dead + gone + lost = to_offset - from_offset)
);

COMMENT ON COLUMN ledger.to_offset IS 'the first offset that is not in the range';
COMMENT ON COLUMN ledger.audited_at IS 'when the range was audited; of ranges merged by a recount, the last one''s';
COMMENT ON COLUMN ledger.counted_at IS 'when the range was counted last';
