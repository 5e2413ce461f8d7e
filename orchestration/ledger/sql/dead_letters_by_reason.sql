SELECT reason, count(*)
FROM dead_letters
WHERE topic = %(topic)s
GROUP BY reason
