SELECT kafka_partition, lower(span), upper(span)
FROM ledger, unnest(lost_offsets) AS span
WHERE topic = %(topic)s
LIMIT %(limit)s
