DELETE FROM location_hourly
WHERE hour >= %(begin)s AND hour < %(end)s
