SELECT e.kafka_partition, count(*)
FROM events AS e
JOIN unnest(%(partitions)s::int [], %(begins)s::bigint [], %(ends)s::bigint []) AS span (kafka_partition, first, beyond)
    ON e.kafka_partition = span.kafka_partition AND e.kafka_offset >= span.first AND e.kafka_offset < span.beyond
GROUP BY e.kafka_partition
