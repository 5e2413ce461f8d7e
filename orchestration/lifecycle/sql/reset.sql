INSERT INTO streaming_jobs (job_name, desired, reset_at, reset_offsets)
VALUES (%(job_name)s, 'stopped', %(reset_at)s, %(reset_offsets)s)
ON CONFLICT (job_name) DO UPDATE SET reset_at = excluded.reset_at, reset_offsets = excluded.reset_offsets
