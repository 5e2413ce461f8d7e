INSERT INTO streaming_jobs (job_name, desired, parallelism) VALUES (%(job_name)s, 'stopped', %(parallelism)s)
ON CONFLICT (job_name) DO UPDATE SET parallelism = excluded.parallelism
