CREATE TEMPORARY TABLE source_events (
    event_id STRING,
    user_name STRING,
    location STRING,
    -- Flink's streaming JSON decoder stops looking once it has met as many fields as the table has, so a name given
    -- twice would keep its first value or push another field out. No event has the fields below; they keep it reading,
    -- and the last of up to nine equal names counts. The other decoder, which builds a tree, needs no such aid, but
    -- costs a fifth more CPU and alters numbers (12.50 becomes 12.5, 1e400 becomes Infinity).
    spare_1 STRING,
    spare_2 STRING,
    spare_3 STRING,
    spare_4 STRING,
    spare_5 STRING,
    spare_6 STRING,
    spare_7 STRING,
    spare_8 STRING,
    kafka_partition INT METADATA FROM 'partition' VIRTUAL,
    kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL,
    produced_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL
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
    'scan.topic-partition-discovery.interval' = '60 s',
    $scan_range,
    'format' = 'json',
    'json.ignore-parse-errors' = 'true',
    'json.decode.json-parser.enabled' = 'true'
)
