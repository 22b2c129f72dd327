SELECT c.system_identifier::text || '/' || d.oid AS identity
FROM pg_catalog.pg_control_system() AS c, pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
