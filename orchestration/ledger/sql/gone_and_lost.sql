SELECT kafka_partition, (gone_offsets - coalesce(known.offsets, '{}'))::text, lost_offsets::text
FROM ledger
LEFT JOIN gone_acknowledged AS known USING (topic, kafka_partition)
WHERE topic = %(topic)s AND (gone > 0 OR lost > 0)
ORDER BY from_offset
