SELECT kafka_partition, gone_offsets::text, lost_offsets::text
FROM ledger
WHERE topic = %(topic)s AND (gone > 0 OR lost > 0)
ORDER BY from_offset
