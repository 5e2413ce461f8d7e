INSERT INTO replays (job_name, topic, ranges, rows_before, checksum_before, lost_before)
VALUES (%(job_name)s, %(topic)s, %(ranges)s, %(rows)s, %(checksum)s, %(lost)s)
RETURNING began_at, began_xid::TEXT AS began_xid
