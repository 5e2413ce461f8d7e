-- Which letters were sent again. A table of its own, which no foreign key ties to the letter: a letter that somebody
-- deleted, and that the ledger wrote again, must not be sent a second time.
CREATE TABLE redrives (
    topic TEXT NOT NULL,
    kafka_partition INT NOT NULL,
    kafka_offset BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('claimed', 'published', 'refused')),
    attempts INT NOT NULL,
    run TEXT NOT NULL,
    claimed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    published_at TIMESTAMPTZ,
    published_partition INT,
    published_offset BIGINT,
    PRIMARY KEY (topic, kafka_partition, kafka_offset)
);

CREATE INDEX redrives_unconfirmed ON redrives (topic) WHERE state = 'claimed';

COMMENT ON COLUMN redrives.state IS
'claimed: about to be sent, or sent without a confirmation; published: the broker has it; refused: it was not sent';
COMMENT ON COLUMN redrives.attempts IS 'claims so far; a claim states the number it has seen, so that of two one wins';
COMMENT ON COLUMN redrives.run IS 'the Dagster run that made the last claim';

-- Hours are read by the timestamp of the record. BRIN, because it costs the sink next to nothing per row.
CREATE INDEX events_produced_at ON events USING brin (produced_at) WITH (autosummarize = on);
CREATE INDEX dead_letters_produced_at ON dead_letters (topic, produced_at);

CREATE TABLE location_hourly (
    hour TIMESTAMPTZ NOT NULL,
    location VARCHAR(100) NOT NULL,
    events BIGINT NOT NULL,
    PRIMARY KEY (hour, location)
);

COMMENT ON TABLE location_hourly IS 'example of a batch on complete hours: events per location and hour (UTC)';
