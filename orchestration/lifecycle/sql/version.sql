SELECT
    fingerprint,
    definition::TEXT AS definition,
    parallelism,
    verified_at IS NOT NULL AS verified
FROM job_versions
WHERE job_name = %(job_name)s AND fingerprint = %(fingerprint)s
