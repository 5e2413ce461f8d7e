SELECT state, count(*)
FROM redrives
WHERE topic = %(topic)s
GROUP BY state
