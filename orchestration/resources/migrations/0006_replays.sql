-- What each replay covered, and how the rows of its range stood before and after it.
CREATE TABLE replays (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_name TEXT NOT NULL,
    topic TEXT NOT NULL,
    ranges JSONB NOT NULL,
    began_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    began_xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    rows_before BIGINT NOT NULL,
    checksum_before NUMERIC NOT NULL,
    lost_before BIGINT NOT NULL,
    ended_at TIMESTAMPTZ,
    rows_after BIGINT,
    checksum_after NUMERIC,
    lost_after BIGINT,
    added BIGINT,
    changed BIGINT
);

-- A replay whose run died is taken up again by the next one of the same range.
CREATE UNIQUE INDEX replays_under_way ON replays (job_name) WHERE ended_at IS NULL;

COMMENT ON COLUMN replays.ranges IS 'partition -> [first offset, first offset after the range]';
COMMENT ON COLUMN replays.began_xid IS 'rows written by later transactions are the replay''s';
COMMENT ON COLUMN replays.checksum_before IS 'sum of a hash of each row, whatever the order; compare on one server only';
COMMENT ON COLUMN replays.lost_before IS 'offsets of the range that the ledger called LOST';

-- A replay finds most rows as it would write them. To leave those alone saves a new version of each, and its WAL. The
-- columns are compared in the function: a trigger's own condition would forbid to alter or drop any that it names.
CREATE OR REPLACE FUNCTION keep_newer_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (
        new IS NOT DISTINCT FROM old
        OR CASE
            WHEN new.kafka_partition = old.kafka_partition THEN new.kafka_offset < old.kafka_offset
            ELSE new.produced_at < old.produced_at
        END
    ) THEN
        RETURN NULL;
    END IF;
    RETURN new;
END
$$;

DROP TRIGGER replay_keeps_newer ON events;

CREATE TRIGGER replay_keeps_newer BEFORE UPDATE ON events
FOR EACH ROW
WHEN (current_setting('application_name') LIKE 'replay.%')
EXECUTE FUNCTION keep_newer_event();
