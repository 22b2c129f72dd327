-- Becoming somebody else.
SET ROLE indexpilot;
SET SESSION AUTHORIZATION indexpilot;
SET SESSION AUTHORIZATION postgres;
CREATE ROLE boss SUPERUSER LOGIN;
ALTER ROLE CURRENT_USER SUPERUSER;
ALTER ROLE CURRENT_USER CREATEROLE CREATEDB REPLICATION BYPASSRLS;
ALTER ROLE CURRENT_USER CONNECTION LIMIT -1;
ALTER ROLE indexpilot PASSWORD 'known';
GRANT indexpilot TO CURRENT_USER;
GRANT pg_execute_server_program TO CURRENT_USER;
GRANT pg_write_server_files TO CURRENT_USER;
SET ROLE pg_execute_server_program;
GRANT SELECT ON c TO "x""; ALTER ROLE indexpilot_planner SUPERUSER; --";
GRANT SELECT ON c TO "new
line", "%s {0} %(x)s", "pg_evil";
DO $$ BEGIN RAISE EXCEPTION 'role "indexpilot" does not exist' USING ERRCODE = '42704'; END $$;
DO $$ BEGIN RAISE EXCEPTION 'role "pg_execute_server_program" does not exist' USING ERRCODE = '42704'; END $$;
DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'role "r' || random() || '" does not exist'; END $$;
SET ROLE indexpilot;
DROP ROLE indexpilot_planner;
ALTER ROLE indexpilot_planner RENAME TO indexpilot_gone;
ALTER ROLE CURRENT_USER SET search_path = evil, pg_catalog;
ALTER ROLE CURRENT_USER SET statement_timeout = 1;
ALTER ROLE CURRENT_USER SET default_transaction_read_only = on;
ALTER ROLE CURRENT_USER PASSWORD 'known';
CREATE USER MAPPING FOR PUBLIC SERVER self;
UPDATE pg_authid SET rolsuper = true;
INSERT INTO pg_auth_members SELECT oid, oid, oid, true FROM pg_roles;
