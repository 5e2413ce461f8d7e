-- Only what the job has committed and the log still holds can be counted again.
SELECT l.kafka_partition, l.from_offset
FROM ledger AS l
JOIN unnest(%(partitions)s::int [], %(begins)s::bigint [], %(ends)s::bigint []) AS span (kafka_partition, first, beyond)
    ON l.kafka_partition = span.kafka_partition AND l.from_offset >= span.first AND l.to_offset <= span.beyond
WHERE l.topic = %(topic)s AND l.counted_at < %(before)s AND (l.lost > 0 OR NOT %(only_lost)s)
ORDER BY l.counted_at
LIMIT 1
