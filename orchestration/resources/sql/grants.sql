-- Run after every migration: repeatable, so that a renamed role gets its rights too.
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO {writer}, {reader}, {auditor};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader};
-- SELECT, because ON CONFLICT reads the columns that it compares.
GRANT SELECT, INSERT, UPDATE ON events TO {writer};
GRANT USAGE ON SEQUENCE events_id_seq TO {writer};
-- The auditor reads what the writer writes, and writes what the writer cannot touch: the ledger's own tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {auditor};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {auditor};
REVOKE INSERT, UPDATE, DELETE ON events, schema_migrations, streaming_jobs, job_versions, replays FROM {auditor};
-- What was acknowledged, and why, stays as it was said.
REVOKE UPDATE, DELETE ON gone_acknowledgements FROM {auditor};
REVOKE USAGE ON SEQUENCE events_id_seq FROM {auditor};
