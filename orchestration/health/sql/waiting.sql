-- The job's sessions that wait for a lock, since when, and who stands before them. They name themselves after the job,
-- `<job name>#<epoch>`. pg_locks and the columns of pg_stat_activity used here are open to every role.
SELECT
    waiting.application_name,
    extract(EPOCH FROM clock_timestamp() - min(locks.waitstart))::float,
    array_agg(DISTINCT format(
        '%%s (role %%s, pid %%s)', coalesce(nullif(holder.application_name, ''), 'a session'), holder.usename, holder.pid
    )) FILTER (WHERE holder.application_name <> waiting.application_name)
FROM pg_locks AS locks
JOIN pg_stat_activity AS waiting ON waiting.pid = locks.pid
LEFT JOIN LATERAL unnest(pg_blocking_pids(locks.pid)) AS blocker ON TRUE
LEFT JOIN pg_stat_activity AS holder ON holder.pid = blocker
WHERE NOT locks.granted
    AND split_part(waiting.application_name, '#', 1) = %(job_name)s
    AND waiting.datname = current_database()
GROUP BY waiting.pid, waiting.application_name
