-- In brackets, since the JSON functions do not look at what follows a value: what follows the object then breaks the
-- array, or is its second element. JSON_VALUE of anything that is no JSON is NULL, which no pattern matches.
INSERT INTO sink_events
SELECT event_id, user_name, location, kafka_partition, kafka_offset, produced_at
FROM (
    SELECT
        JSON_VALUE(CONCAT('[', body, ']'), '$[0].event_id') AS event_id,
        JSON_VALUE(CONCAT('[', body, ']'), '$[0].user_name') AS user_name,
        JSON_VALUE(CONCAT('[', body, ']'), '$[0].location') AS location,
        kafka_partition,
        kafka_offset,
        produced_at
    FROM source_events
    WHERE NOT JSON_EXISTS(CONCAT('[', body, ']'), '$[1]')
)
WHERE REGEXP(event_id, '^(?![{\[]| *\z)[^\x00-\x1f\x7f\p{Cs}]{1,50}+\z')
  AND REGEXP(user_name, '^(?![{\[]| *\z)[^\x00-\x1f\x7f\p{Cs}]{1,50}+\z')
  AND REGEXP(location, '^(?![{\[]| *\z)[^\x00-\x1f\x7f\p{Cs}]{1,100}+\z')
