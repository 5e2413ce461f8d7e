INSERT INTO job_versions (job_name, fingerprint, definition, parallelism)
VALUES (%(job_name)s, %(fingerprint)s, %(definition)s, %(parallelism)s)
ON CONFLICT (job_name, fingerprint) DO UPDATE SET submitted_at = clock_timestamp()
