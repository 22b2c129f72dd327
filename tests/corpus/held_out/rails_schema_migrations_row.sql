CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" character varying NOT NULL PRIMARY KEY);
INSERT INTO "schema_migrations" ("version") VALUES ('20261120123456') RETURNING "version";
