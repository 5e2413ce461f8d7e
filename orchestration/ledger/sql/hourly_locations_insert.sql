INSERT INTO location_hourly (hour, location, events)
SELECT date_trunc('hour', produced_at, 'UTC'), location, count(*)
FROM events
WHERE produced_at >= %(begin)s AND produced_at < %(end)s
GROUP BY 1, 2
RETURNING events
