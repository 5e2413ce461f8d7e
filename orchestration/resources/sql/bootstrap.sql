-- Roles and database of the pipeline, once per server, as a superuser (PostgreSQL 14 or newer); safe to repeat.
--
--   psql -X -v ON_ERROR_STOP=1 -d postgres \
--     -v database=pi3db -v owner=pi3_owner -v writer=pi3_writer -v reader=pi3_reader -v auditor=pi3_auditor \
--     -v owner_password_file=... -v writer_password_file=... -v reader_password_file=... \
--     -v auditor_password_file=... -f bootstrap.sql
--
-- Passwords come from files (or as owner_password and so on from a script on standard input), so that they never stand
-- in an argument list; nor, by these settings, in the server's log.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';

\if :{?owner_password_file}
    \set owner_password `cat :'owner_password_file'`
    \set writer_password `cat :'writer_password_file'`
    \set reader_password `cat :'reader_password_file'`
    \set auditor_password `cat :'auditor_password_file'`
\endif

SELECT format('CREATE ROLE %I', wanted.role)
FROM unnest(ARRAY[:'owner', :'writer', :'reader', :'auditor']) AS wanted (role)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.role)
\gexec

ALTER ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
ALTER ROLE :"writer" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'writer_password';
ALTER ROLE :"reader" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'reader_password';
ALTER ROLE :"auditor" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'auditor_password';

-- A session whose client is gone ends within seconds, also while it waits for a lock: else it could commit rows after a
-- later session has written newer ones of the same ids.
ALTER ROLE :"writer" SET client_connection_check_interval = '5s';
ALTER ROLE :"writer" SET tcp_keepalives_idle = 10;
ALTER ROLE :"writer" SET tcp_keepalives_interval = 5;
ALTER ROLE :"writer" SET tcp_keepalives_count = 2;
ALTER ROLE :"writer" SET tcp_user_timeout = '20s';

-- The owner may end the writer's sessions: those of a run that has lost its lease and hangs.
GRANT :"writer" TO :"owner";

SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"writer", :"reader", :"auditor";

\connect :"database"
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
