SELECT
    job_name,
    desired,
    desired_at,
    epoch,
    job_id,
    fingerprint,
    restored_from,
    submitted_at,
    parallelism,
    reset_at,
    reset_offsets,
    recovery_attempts,
    next_recovery_at,
    gave_up_at,
    last_error
FROM streaming_jobs
WHERE job_name = %(job_name)s
