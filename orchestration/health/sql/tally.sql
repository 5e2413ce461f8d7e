SELECT coalesce(sum(landed + superseded), 0)::bigint, coalesce(sum(dead), 0)::bigint
FROM ledger
WHERE topic = %(topic)s
