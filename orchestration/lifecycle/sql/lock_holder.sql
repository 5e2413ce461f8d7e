-- The holder is idle since it got the lock. What pg_locks shows of the lock's number are its two halves.
SELECT
    holder.pid,
    coalesce(nullif(holder.application_name, ''), 'somebody') AS name,
    coalesce(host(holder.client_addr), 'a local socket') AS client,
    coalesce(EXTRACT(EPOCH FROM clock_timestamp() - holder.state_change), 0)::FLOAT8 AS held_s
FROM pg_locks AS held
JOIN pg_stat_activity AS holder USING (pid)
WHERE held.locktype = 'advisory'
    AND held.mode = 'ExclusiveLock'
    AND held.granted
    AND holder.datname = current_database()
    AND held.database = holder.datid
    AND held.objsubid = 1
    AND (held.classid::BIGINT << 32) | held.objid::BIGINT = hashtextextended('pi3.job.' || %(job_name)s, 0)
