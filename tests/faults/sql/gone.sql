-- Of what the ledger calls gone in a partition: whether all of it lies in the range, and how many offsets that are.
SELECT coalesce(bool_and(span <@ int8range(%s, %s)), false), coalesce(sum(upper(span) - lower(span)), 0)::bigint
FROM ledger, unnest(gone_offsets) AS gone_ranges (span)
WHERE topic = %s AND kafka_partition = %s
