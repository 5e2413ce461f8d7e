-- Rows of these hours, by the record's timestamp, whose offsets the replay does not cover: removed from Kafka, or
-- written before or after the others of their hour.
SELECT
    count(*) FILTER (WHERE kafka_offset < log_begin) AS gone,
    count(*) FILTER (WHERE kafka_offset >= log_begin) AS elsewhere
FROM events
JOIN unnest(%(partitions)s::INT [], %(begins)s::BIGINT [], %(ends)s::BIGINT [], %(log_begins)s::BIGINT []) AS span (
    number, first, past, log_begin
) ON kafka_partition = number
WHERE produced_at >= %(since)s AND produced_at < %(until)s AND NOT (kafka_offset >= first AND kafka_offset < past)
