INSERT INTO gone_acknowledgements (topic, kafka_partition, offsets, reason, run)
SELECT topic, kafka_partition, gone.offsets - coalesce(known.offsets, '{}'), %(reason)s, %(run)s
FROM (
    SELECT topic, kafka_partition, range_agg(span) AS offsets
    FROM ledger, unnest(gone_offsets) AS span
    WHERE topic = %(topic)s
    GROUP BY topic, kafka_partition
) AS gone
LEFT JOIN gone_acknowledged AS known USING (topic, kafka_partition)
WHERE NOT gone.offsets <@ coalesce(known.offsets, '{}')
RETURNING kafka_partition, offsets::text
