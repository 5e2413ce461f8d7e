SELECT coalesce(sum(upper(part) - lower(part)), 0) AS lost
FROM ledger, unnest(lost_offsets * int8multirange(int8range(%(begin)s, %(end)s))) AS part
WHERE topic = %(topic)s AND kafka_partition = %(partition)s AND lost > 0
