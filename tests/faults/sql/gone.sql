-- The offsets that the ledger calls gone, as a multirange for each partition that has any.
SELECT kafka_partition, range_agg(span)::text
FROM ledger, unnest(gone_offsets) AS gone_ranges (span)
WHERE topic = %s
GROUP BY kafka_partition
