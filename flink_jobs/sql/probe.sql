CREATE TEMPORARY TABLE probe (written_at STRING) WITH (
    'connector' = 'filesystem',
    'path' = $path,
    'format' = 'json'
)
