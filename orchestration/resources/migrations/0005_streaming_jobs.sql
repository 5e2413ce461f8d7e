-- What is wanted of each streaming job, and which run of it may write. Dagster is the high availability of a standalone
-- Flink cluster, which forgets its jobs: what must not be forgotten is kept here.
CREATE TABLE streaming_jobs (
    job_name TEXT PRIMARY KEY,
    desired TEXT NOT NULL DEFAULT 'running' CHECK (desired IN ('running', 'stopped')),
    desired_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    epoch BIGINT NOT NULL DEFAULT 0,
    job_id TEXT,
    fingerprint TEXT,
    restored_from TEXT,
    submitted_at TIMESTAMPTZ,
    parallelism INT CHECK (parallelism > 0),
    reset_at TIMESTAMPTZ,
    reset_offsets JSONB,
    recovery_attempts INT NOT NULL DEFAULT 0,
    next_recovery_at TIMESTAMPTZ,
    gave_up_at TIMESTAMPTZ,
    last_error TEXT
);

COMMENT ON COLUMN streaming_jobs.epoch IS 'how often the writer lease was handed over; only its newest holder may write';
COMMENT ON COLUMN streaming_jobs.parallelism IS 'set by a rescale; NULL: as the settings say';
COMMENT ON COLUMN streaming_jobs.reset_at IS 'restore points up to then are left alone: the stream was reset on purpose';
COMMENT ON COLUMN streaming_jobs.reset_offsets IS 'partition -> offset to start from until there is a younger restore point';

-- What each version of a job does, so that a recovery or a rollback runs what ran before, not what the code says now.
CREATE TABLE job_versions (
    job_name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    definition JSONB NOT NULL,
    parallelism INT NOT NULL,
    submitted_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    verified_at TIMESTAMPTZ,
    PRIMARY KEY (job_name, fingerprint)
);

-- Fences the sink. A run names itself `<job name>#<epoch>` as its sessions' application_name; whoever is neither the
-- newest holder of a lease nor the table's owner is refused. The shared lock lasts until the transaction ends and the
-- lease is handed over under the exclusive one, so that nothing of the old holder is committed after that.
CREATE FUNCTION require_writer_lease() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(
        hashtextextended('pi3.writer_lease.' || split_part(current_setting('application_name'), '#', 1), 0)
    );
    IF EXISTS (SELECT FROM streaming_jobs WHERE job_name || '#' || epoch = current_setting('application_name')) THEN
        RETURN NULL;
    END IF;
    -- A table of which no job has ever been launched by the control plane is not fenced.
    IF NOT EXISTS (SELECT FROM streaming_jobs WHERE epoch > 0)
        OR pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% holds no writer lease: another run of the job has taken over, or none was launched',
        current_setting('application_name') USING ERRCODE = 'PI3L1', HINT = 'Cancel this run; the holder goes on.';
END
$$;

CREATE TRIGGER writer_lease BEFORE INSERT ON events
FOR EACH STATEMENT EXECUTE FUNCTION require_writer_lease();

-- A replay runs beside the stream and brings older versions of rows: it may mend and add, never set back.
CREATE FUNCTION keep_newer_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END
$$;

CREATE TRIGGER replay_keeps_newer BEFORE UPDATE ON events
FOR EACH ROW
WHEN (
    current_setting('application_name') LIKE 'replay.%'
    AND CASE
        WHEN new.kafka_partition = old.kafka_partition THEN new.kafka_offset < old.kafka_offset
        ELSE new.produced_at < old.produced_at
    END
)
EXECUTE FUNCTION keep_newer_event();
