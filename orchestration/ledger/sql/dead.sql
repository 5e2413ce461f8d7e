SELECT coalesce(range_agg(int8range(kafka_offset, kafka_offset + 1)), '{}')::text
FROM dead_letters
WHERE topic = %(topic)s
    AND kafka_partition = %(partition)s
    AND kafka_offset >= %(begin)s
    AND kafka_offset < %(end)s
