-- Of two claims on one letter the later finds more attempts than it has seen, and gets nothing.
INSERT INTO redrives AS r (topic, kafka_partition, kafka_offset, state, attempts, run)
SELECT %(topic)s, letter.kafka_partition, letter.kafka_offset, 'claimed', letter.attempts + 1, %(run)s
FROM unnest(%(partitions)s::int [], %(offsets)s::bigint [], %(attempts)s::int [])
    AS letter (kafka_partition, kafka_offset, attempts)
ORDER BY letter.kafka_partition, letter.kafka_offset
ON CONFLICT (topic, kafka_partition, kafka_offset) DO UPDATE
    SET state = 'claimed', attempts = excluded.attempts, run = excluded.run, claimed_at = clock_timestamp()
    WHERE r.attempts = excluded.attempts - 1
RETURNING kafka_partition, kafka_offset
