-- The newest audit, and the findings that are open: made lately, and their offset not read again by a later audit that
-- has finished. So an audit of a short range does not hide what a longer one has found.
WITH recent AS (
    SELECT *
    FROM deep_audits
    WHERE topic = %(topic)s AND started_at > clock_timestamp() - make_interval(hours => %(window_h)s)
),

open AS (
    SELECT f.*
    FROM deep_audit_findings AS f
    JOIN recent ON recent.id = f.audit_id
    WHERE NOT EXISTS (
        SELECT
        FROM recent AS later
        WHERE later.id > f.audit_id
            AND later.finished_at IS NOT NULL
            AND f.kafka_offset >= (later.ranges -> f.kafka_partition::text ->> 0)::bigint
            AND f.kafka_offset < (later.ranges -> f.kafka_partition::text ->> 1)::bigint
    )
)

SELECT
    extract(EPOCH FROM clock_timestamp() - a.started_at)::float,
    a.finished_at IS NOT NULL,
    coalesce(a.records, 0),
    coalesce((SELECT jsonb_object_agg(kind, n) FROM (SELECT kind, count(*) AS n FROM open GROUP BY kind) AS k), '{}'),
    ARRAY(
        SELECT format('partition %%s, offset %%s: %%s, expected %%s, found %%s',
            kafka_partition, kafka_offset, kind, expected, found)
        FROM open
        ORDER BY id DESC
        LIMIT %(examples)s
    )
FROM deep_audits AS a
WHERE a.topic = %(topic)s
ORDER BY a.id DESC
LIMIT 1
