WITH
absent AS (
    SELECT DISTINCT event_id, gone FROM due
    WHERE NOT EXISTS (SELECT FROM landed WHERE landed.event_id = due.event_id)
),

-- A row must be the newest acknowledged event of its id, or one of which the producer never had an answer.
wrong AS (
    SELECT DISTINCT landed.event_id FROM landed
    WHERE EXISTS (SELECT FROM sent WHERE sent.event_id = landed.event_id)
    AND (
        NOT EXISTS (
            SELECT FROM sent
            WHERE sent.event_id = landed.event_id AND sent.digest = landed.digest
            AND (
                sent.kafka_offset IS NULL
                OR (sent.kafka_partition, sent.kafka_offset) = (landed.kafka_partition, landed.kafka_offset)
            )
        )
        OR EXISTS (
            SELECT FROM due
            WHERE due.event_id = landed.event_id AND NOT due.gone
            AND due.kafka_partition = landed.kafka_partition AND due.kafka_offset > landed.kafka_offset
        )
    )
),

doubled AS (
    SELECT event_id FROM landed GROUP BY event_id HAVING count(*) > 1
    UNION
    SELECT min(event_id) FROM landed GROUP BY prefix, kafka_partition, kafka_offset HAVING count(*) > 1
),

phantom AS (
    SELECT event_id FROM landed
    WHERE NOT EXISTS (SELECT FROM sent WHERE sent.event_id = landed.event_id)
),

found AS (
    SELECT 'lost' AS kind, event_id FROM absent WHERE NOT gone
    UNION ALL SELECT 'gone', event_id FROM absent WHERE gone
    UNION ALL SELECT 'wrong', event_id FROM wrong
    UNION ALL SELECT 'doubled', event_id FROM doubled
    UNION ALL SELECT 'phantom', event_id FROM phantom
)

SELECT kind, count(*), (array_agg(event_id ORDER BY event_id)) [1:3] FROM found GROUP BY kind
