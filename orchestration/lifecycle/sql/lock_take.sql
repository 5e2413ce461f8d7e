-- Both until the transaction ends: a lock of the session would outlast it by what the server needs to notice.
SELECT set_config('application_name', %(holder)s, TRUE);
SELECT pg_advisory_xact_lock(hashtextextended('pi3.job.' || %(job_name)s, 0))
