-- The ranges of offsets without a row. Only neighbours that are apart come back, so that a range in which everything
-- has landed costs no traffic. The place is the expression that the index events_kafka_place holds.
SELECT kafka_offset + 1, following
FROM (
    SELECT kafka_offset, lead(kafka_offset, 1, %(end)s::bigint) OVER (ORDER BY kafka_offset) AS following
    FROM (
        SELECT kafka_offset
        FROM events
        WHERE (kafka_partition::bigint << 48) + kafka_offset >= (%(partition)s::bigint << 48) + %(begin)s
            AND (kafka_partition::bigint << 48) + kafka_offset < (%(partition)s::bigint << 48) + %(end)s
        UNION ALL
        SELECT %(begin)s::bigint - 1
    ) AS landed
) AS neighbours
WHERE following > kafka_offset + 1
ORDER BY kafka_offset
