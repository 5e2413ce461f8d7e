CREATE TEMPORARY TABLE source_events (
    -- The contract's fields and their greatest lengths; the format gives no row for a record that is no valid event.
    event_id VARCHAR(50) NOT NULL,
    user_name VARCHAR(50) NOT NULL,
    location VARCHAR(100) NOT NULL,
    kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
    kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
    produced_at TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
    'connector' = 'kafka',
    'topic' = $topic,
    'properties.bootstrap.servers' = $bootstrap_servers,
    'properties.group.id' = $consumer_group,
    -- For a group without offsets. A restored job resumes at its checkpoint and never looks at this.
    'properties.auto.offset.reset' = 'earliest',
    -- Else the reader of a deleted topic creates it again, with the broker's defaults.
    'properties.allow.auto.create.topics' = 'false',
    'properties.max.poll.records' = '5000',
    -- A fetch that waits is answered as soon as there is a record; half a second, the default, is for nothing.
    'properties.fetch.max.wait.ms' = '5000',
    'scan.topic-partition-discovery.interval' = '60 s',
    $scan_range,
    'format' = 'strict-json'
)
