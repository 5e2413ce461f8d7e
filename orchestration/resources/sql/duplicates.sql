SELECT event_id, count(*)
FROM events
GROUP BY event_id
HAVING count(*) > 1
LIMIT %(limit)s
