-- Whether somebody holds the lock under which the job is launched and stopped (orchestration/lifecycle/locks.py).
SELECT EXISTS (
    SELECT
    FROM pg_locks
    WHERE locktype = 'advisory'
        AND granted
        AND objsubid = 1
        AND (classid::bigint << 32) | objid::bigint = hashtextextended('pi3.job.' || %(job_name)s, 0)
)
