-- Two roles on PostgreSQL (docs/container.md, decision 166): whoever runs this owns the tables and runs the migrations;
-- the servers' role reads and writes, and can neither change nor delete what was audited.
-- Run it as the owner, once before the first migration or right after it, and after every later one:
--   psql -d latchstring -f roles.sql            (another role or schema: -v server=NAME -v schema=NAME)
-- The servers' role is made where there is none; SERVER_PASSWORD_FILE names a file with its password.
\set ON_ERROR_STOP on
\if :{?server} \else \set server latchstring \endif
\if :{?schema} \else \set schema public \endif
\set password `cat "${SERVER_PASSWORD_FILE:-/dev/null}"`

SELECT format('CREATE ROLE %I LOGIN', :'server')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'server') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'server', :'password') WHERE :'password' <> '' \gexec

GRANT USAGE ON SCHEMA :"schema" TO :"server";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA :"schema" TO :"server";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO :"server";
-- The audit: added to, and nothing else. How far it is sealed is moved on.
SELECT format('REVOKE UPDATE, DELETE ON %I.%I FROM %I', schemaname, tablename, :'server') FROM pg_tables
WHERE schemaname = :'schema' AND tablename IN ('audit_event', 'audit_subject', 'audit_seal', 'audit_purge') \gexec
SELECT format('REVOKE DELETE ON %I.%I FROM %I', schemaname, tablename, :'server') FROM pg_tables
WHERE schemaname = :'schema' AND tablename = 'audit_sealing' \gexec
-- Which schema this is, the migrations say.
SELECT format('REVOKE INSERT, UPDATE, DELETE ON %I.%I FROM %I', schemaname, tablename, :'server') FROM pg_tables
WHERE schemaname = :'schema' AND tablename = 'alembic_version' \gexec
