-- Run after every migration: repeatable, so that a renamed role gets its rights too.
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO {writer}, {reader};
GRANT SELECT ON events, schema_migrations TO {reader};
-- SELECT, because ON CONFLICT reads the columns that it compares.
GRANT SELECT, INSERT, UPDATE ON events TO {writer};
GRANT USAGE ON SEQUENCE events_id_seq TO {writer};
