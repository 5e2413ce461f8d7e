SELECT kafka_partition, max(to_offset)
FROM ledger
WHERE topic = %(topic)s
GROUP BY kafka_partition
