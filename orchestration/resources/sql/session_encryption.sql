SELECT s.version
FROM pg_stat_ssl AS s
WHERE s.pid = pg_backend_pid() AND s.ssl
