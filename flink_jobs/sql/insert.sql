-- One pattern a field: not an object, an array or blank; no control character; 1 to 50 (100) code points. A pattern that
-- must match is a third cheaper than one that must not match plus CHAR_LENGTH, and NULL does not match it either.
INSERT INTO sink_events
SELECT
    event_id,
    user_name,
    location,
    kafka_partition,
    kafka_offset,
    produced_at
FROM source_events
WHERE REGEXP(event_id, '^(?![{\[]| *\z)[^\x00-\x1f\x7f]{1,50}+\z')
  AND REGEXP(user_name, '^(?![{\[]| *\z)[^\x00-\x1f\x7f]{1,50}+\z')
  AND REGEXP(location, '^(?![{\[]| *\z)[^\x00-\x1f\x7f]{1,100}+\z')
