-- Letters that a pass found deleted and restored within the window, and those that are still missing.
SELECT kafka_partition, range_agg(int8range(kafka_offset, kafka_offset + 1))::text
FROM (
    SELECT kafka_partition, kafka_offset
    FROM dead_letters
    WHERE topic = %(topic)s AND restored_at > clock_timestamp() - make_interval(secs => %(window_s)s)
    UNION
    SELECT entry.kafka_partition, missing.kafka_offset
    FROM ledger AS entry,
        unnest(entry.dead_offsets) AS span,
        generate_series(lower(span), upper(span) - 1) AS missing (kafka_offset)
    WHERE entry.topic = %(topic)s
        AND NOT EXISTS (
            SELECT FROM dead_letters AS letter
            WHERE letter.topic = %(topic)s
                AND letter.kafka_partition = entry.kafka_partition
                AND letter.kafka_offset = missing.kafka_offset
        )
) AS deleted
GROUP BY kafka_partition
