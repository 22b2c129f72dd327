INSERT INTO pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
SELECT 0, r.oid, %(settings)s::text[]
FROM pg_catalog.pg_roles r
WHERE r.rolname = %(role)s
