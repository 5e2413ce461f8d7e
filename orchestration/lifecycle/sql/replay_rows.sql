-- The rows of one range, and a checksum of what the stream writes of them that does not depend on their order. `added`
-- and `changed` are those that transactions since the replay's begin have inserted and rewritten: no other writer comes
-- to a range that the stream has committed. The place is the expression that the index events_kafka_place holds.
SELECT
    count(*) AS rows,
    coalesce(
        sum(hash_record_extended(
            ROW(event_id, user_name, location, kafka_partition, kafka_offset, produced_at), 0
        )), 0
    ) AS checksum,
    count(*) FILTER (WHERE landed_at >= %(began_at)s) AS added,
    count(*) FILTER (WHERE landed_at < %(began_at)s AND age(xmin) < age(%(began_xid)s::XID8::XID)) AS changed
FROM events
WHERE (kafka_partition::BIGINT << 48) + kafka_offset >= (%(partition)s::BIGINT << 48) + %(begin)s
    AND (kafka_partition::BIGINT << 48) + kafka_offset < (%(partition)s::BIGINT << 48) + %(end)s
