SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, %(job_name)s || '#')
