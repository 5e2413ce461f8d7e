SELECT extract(EPOCH FROM clock_timestamp() - max(audited_at))::float
FROM ledger
WHERE topic = %(topic)s
