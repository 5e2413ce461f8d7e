-- Losses that somebody has looked into and accepts, so that a new one is seen. The ledger's own rows stay as they are.
CREATE TABLE gone_acknowledgements (
    topic TEXT NOT NULL,
    kafka_partition INT NOT NULL,
    offsets INT8MULTIRANGE NOT NULL CHECK (NOT isempty(offsets)),
    reason TEXT NOT NULL CHECK (reason ~ '\S'),
    run TEXT NOT NULL,
    acknowledged_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, kafka_partition, run)
);

COMMENT ON COLUMN gone_acknowledgements.offsets IS 'those that were gone and that no earlier run had acknowledged';
COMMENT ON COLUMN gone_acknowledgements.run IS 'the Dagster run that acknowledged them';

CREATE VIEW gone_acknowledged AS
SELECT topic, kafka_partition, range_agg(span) AS offsets
FROM gone_acknowledgements, unnest(offsets) AS span
GROUP BY topic, kafka_partition;
