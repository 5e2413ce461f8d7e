-- Two runs of one hour: the second waits, deletes what the first has written, and writes the same.
SELECT pg_advisory_xact_lock(hashtextextended('pi3.location_hourly', 0))
