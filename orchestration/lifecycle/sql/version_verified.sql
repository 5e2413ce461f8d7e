UPDATE job_versions SET verified_at = clock_timestamp()
WHERE job_name = %(job_name)s AND fingerprint = %(fingerprint)s
