-- The writer's trigger holds it shared while a transaction of the job's is open.
SELECT pg_try_advisory_xact_lock(hashtextextended('pi3.writer_lease.' || %(job_name)s, 0)) AS locked
