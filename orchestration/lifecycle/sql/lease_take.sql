INSERT INTO streaming_jobs (job_name, epoch, job_id, fingerprint, restored_from, submitted_at)
VALUES (%(job_name)s, 1, %(job_id)s, %(fingerprint)s, %(restored_from)s, clock_timestamp())
ON CONFLICT (job_name) DO UPDATE
SET
    epoch = streaming_jobs.epoch + 1,
    job_id = excluded.job_id,
    fingerprint = excluded.fingerprint,
    restored_from = excluded.restored_from,
    submitted_at = excluded.submitted_at
RETURNING epoch
