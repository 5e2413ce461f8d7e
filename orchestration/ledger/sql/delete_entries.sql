DELETE FROM ledger
WHERE topic = %(topic)s
    AND kafka_partition = %(partition)s
    AND from_offset >= %(begin)s
    AND to_offset <= %(end)s
RETURNING audited_at, counted_at
