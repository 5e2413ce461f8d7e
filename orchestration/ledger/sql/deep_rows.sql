-- One sort for the whole section, so that rows come in the order in which the records are read, and neither side is held
-- in memory. The bounds over all partitions are for the BRIN index; the join keeps each partition to its own range.
DECLARE deep_rows NO SCROLL CURSOR FOR
SELECT
    kafka_partition,
    kafka_offset,
    event_id,
    user_name,
    location,
    round(date_part('epoch', produced_at) * 1000)::BIGINT
FROM events
JOIN unnest(%(partitions)s::INT[], %(begins)s::BIGINT[], %(ends)s::BIGINT[]) AS span (number, first, past)
    ON kafka_partition = number AND kafka_offset >= first AND kafka_offset < past
WHERE kafka_offset >= %(lowest)s AND kafka_offset < %(highest)s
ORDER BY kafka_partition, kafka_offset
