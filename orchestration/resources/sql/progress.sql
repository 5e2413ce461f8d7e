-- Only the index on id is read, from the given id on: the cost is that of the new rows, whatever the table's size.
SELECT
    count(*) FILTER (WHERE id <= %(newest_id)s),
    count(*),
    (SELECT max(id) FROM events),
    (SELECT landed_at FROM events ORDER BY id DESC LIMIT 1)
FROM events
WHERE id > %(settled_id)s
