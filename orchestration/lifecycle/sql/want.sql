INSERT INTO streaming_jobs (job_name, desired) VALUES (%(job_name)s, %(desired)s)
ON CONFLICT (job_name) DO UPDATE
SET desired = excluded.desired, desired_at = clock_timestamp()
WHERE streaming_jobs.desired <> excluded.desired
