UPDATE streaming_jobs
SET
    recovery_attempts = %(attempts)s,
    next_recovery_at = %(next_at)s,
    gave_up_at = %(gave_up_at)s,
    last_error = %(error)s
WHERE job_name = %(job_name)s
