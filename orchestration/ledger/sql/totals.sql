-- What was acknowledged counts while it is gone: a row may have landed since.
SELECT
    kafka_partition, min(from_offset), max(to_offset), sum(to_offset - from_offset)::bigint,
    coalesce(sum((SELECT sum(upper(span) - lower(span)) FROM unnest(gone_offsets * known.offsets) AS span)), 0)::bigint,
    sum(landed)::bigint, sum(dead)::bigint, sum(superseded)::bigint, sum(gone)::bigint, sum(lost)::bigint
FROM ledger
LEFT JOIN gone_acknowledged AS known USING (topic, kafka_partition)
WHERE topic = %(topic)s
GROUP BY kafka_partition
ORDER BY kafka_partition
