INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at)
SELECT 'before_' || md5(n::TEXT), 'Dmitri Larsen', 'Lisboa, PT', 0, n, clock_timestamp()
FROM generate_series(1, %(rows)s) AS n
