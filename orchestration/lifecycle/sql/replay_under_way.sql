SELECT
    ranges,
    rows_before AS rows,
    checksum_before AS checksum,
    lost_before AS lost,
    began_at,
    began_xid::TEXT AS began_xid
FROM replays
WHERE job_name = %(job_name)s AND ended_at IS NULL
