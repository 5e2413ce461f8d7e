-- The rows that the producers of a trial may have written, and nobody else: by the prefix of their ids.
CREATE TEMPORARY TABLE landed AS
SELECT
    event_id,
    kafka_partition,
    kafka_offset,
    prefix,
    md5(concat_ws(E'\x1f', event_id, user_name, location)) AS digest
FROM events
JOIN unnest(%(prefixes)s::text []) AS prefix ON starts_with(event_id, prefix)
WHERE id > %(since_id)s;

-- What was acknowledged and must be in the table, unless Kafka itself no longer had it when the job came for it.
CREATE TEMPORARY TABLE due AS
SELECT
    event_id,
    kafka_partition,
    kafka_offset,
    EXISTS (
        SELECT FROM ledger
        WHERE ledger.topic = %(topic)s AND ledger.gone > 0
        AND ledger.kafka_partition = sent.kafka_partition AND ledger.gone_offsets @> sent.kafka_offset
    ) AS gone
FROM sent
WHERE required;

-- Without these the planner would compare each row with each.
CREATE INDEX ON sent (event_id);
CREATE INDEX ON landed (event_id);
CREATE INDEX ON due (event_id);
ANALYZE sent, landed, due;
