WITH ended AS (
    UPDATE replays
    SET
        ended_at = clock_timestamp(),
        rows_after = %(rows)s,
        checksum_after = %(checksum)s,
        lost_after = %(lost)s,
        added = %(added)s,
        changed = %(changed)s
    WHERE job_name = %(job_name)s AND ended_at IS NULL
)

-- With its row its writer lease ends. What ran and what came of it stay in job_versions and replays.
DELETE FROM streaming_jobs WHERE job_name = %(job_name)s
