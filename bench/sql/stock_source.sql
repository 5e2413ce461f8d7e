CREATE TEMPORARY TABLE source_events (
    event_id STRING,
    user_name STRING,
    location STRING
) WITH (
    'connector' = 'kafka',
    'topic' = $topic,
    'properties.bootstrap.servers' = $bootstrap_servers,
    'properties.group.id' = $consumer_group,
    'properties.auto.offset.reset' = 'earliest',
    'properties.allow.auto.create.topics' = 'false',
    'properties.max.poll.records' = '5000',
    'scan.topic-partition-discovery.interval' = '60 s',
    $scan_range,
    'format' = 'json',
    'json.ignore-parse-errors' = 'true'
)
