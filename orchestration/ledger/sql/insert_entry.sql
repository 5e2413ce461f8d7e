INSERT INTO ledger (
    topic, kafka_partition, from_offset, to_offset, landed, dead, superseded, gone, lost,
    dead_offsets, superseded_offsets, gone_offsets, lost_offsets, audited_at, counted_at
) VALUES (
    %(topic)s, %(partition)s, %(begin)s, %(end)s, %(landed)s, %(dead)s, %(superseded)s, %(gone)s, %(lost)s,
    %(dead_offsets)s::int8multirange, %(superseded_offsets)s::int8multirange, %(gone_offsets)s::int8multirange,
    %(lost_offsets)s::int8multirange,
    coalesce(%(audited_at)s, clock_timestamp()), coalesce(%(counted_at)s, clock_timestamp())
)
