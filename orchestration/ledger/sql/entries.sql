SELECT
    from_offset, to_offset, landed,
    dead_offsets::text, superseded_offsets::text, gone_offsets::text, lost_offsets::text
FROM ledger
WHERE topic = %(topic)s
    AND kafka_partition = %(partition)s
    AND from_offset >= %(begin)s
    AND (from_offset = %(begin)s OR to_offset <= %(end)s)
ORDER BY from_offset
