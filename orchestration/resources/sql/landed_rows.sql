SELECT kafka_partition, count(*)
FROM events
WHERE kafka_partition IS NOT NULL
GROUP BY kafka_partition
