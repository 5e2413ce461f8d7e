UPDATE deep_audits
SET
    finished_at = clock_timestamp(),
    records = %(records)s,
    valid = %(valid)s,
    superseded = %(superseded)s,
    rows = %(rows)s,
    gone = %(gone)s,
    counts = %(counts)s
WHERE id = %(id)s
