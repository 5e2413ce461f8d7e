CREATE TEMPORARY TABLE sink_events (
    event_id VARCHAR(50) NOT NULL,
    user_name VARCHAR(50) NOT NULL,
    location VARCHAR(100) NOT NULL,
    kafka_partition INT NOT NULL,
    kafka_offset BIGINT NOT NULL,
    produced_at TIMESTAMP_LTZ(3) NOT NULL,
    PRIMARY KEY (event_id) NOT ENFORCED
) WITH (
    'connector' = 'postgres-upsert',
    'url' = $jdbc_url,
    'table-name' = $table,
    'username' = $jdbc_user,
    'password' = $password,
    'sink.buffer-flush.max-rows' = $flush_rows,
    'sink.buffer-flush.interval' = $flush_interval,
    'sink.max-retries' = '3'
)
