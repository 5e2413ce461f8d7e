CREATE TEMPORARY TABLE sink_events (
    event_id STRING,
    user_name STRING,
    location STRING,
    kafka_partition INT,
    kafka_offset BIGINT,
    produced_at TIMESTAMP_LTZ(3),
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
