SELECT
    kafka_partition, min(from_offset), max(to_offset), sum(to_offset - from_offset)::bigint,
    sum(landed)::bigint, sum(dead)::bigint, sum(superseded)::bigint, sum(gone)::bigint, sum(lost)::bigint
FROM ledger
WHERE topic = %(topic)s
GROUP BY kafka_partition
ORDER BY kafka_partition
