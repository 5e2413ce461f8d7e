CREATE TEMPORARY TABLE sink_events (
    event_id STRING,
    user_name STRING,
    location STRING,
    kafka_partition INT,
    kafka_offset BIGINT,
    produced_at STRING,
    PRIMARY KEY (event_id) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = $jdbc_url,
    'table-name' = $table,
    'username' = $jdbc_user,
    'password' = $password,
    'sink.buffer-flush.max-rows' = $flush_rows,
    'sink.buffer-flush.interval' = $flush_interval,
    'sink.max-retries' = '3'
)
