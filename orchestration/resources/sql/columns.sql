SELECT
    attname,
    format_type(atttypid, atttypmod),
    attnotnull,
    atthasdef OR attidentity <> ''
FROM pg_attribute
WHERE attrelid = to_regclass('events') AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
