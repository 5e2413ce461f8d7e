-- Digests, not bytes: a letter may hold a megabyte.
SELECT kafka_partition, kafka_offset, sha256(key), sha256(value)
FROM dead_letters
WHERE topic = %(topic)s
    AND kafka_partition = %(partition)s
    AND kafka_offset >= %(begin)s
    AND kafka_offset < %(end)s
ORDER BY kafka_offset
