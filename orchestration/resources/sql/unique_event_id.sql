-- indisready and indisvalid: an index whose concurrent build failed guards nothing.
SELECT EXISTS (
    SELECT
    FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = to_regclass('events')
        AND a.attname = 'event_id'
        AND i.indnkeyatts = 1
        AND i.indisunique
        AND i.indisvalid
        AND i.indisready
        AND i.indpred IS NULL
)
