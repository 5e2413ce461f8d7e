CREATE TEMPORARY TABLE sink_events (
    event_id STRING,
    user_name STRING,
    location STRING,
    PRIMARY KEY (event_id) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = '$jdbc_url?$$application_name',
    'table-name' = 'plain_events',
    'username' = '$jdbc_user',
    'password' = $$password
)
