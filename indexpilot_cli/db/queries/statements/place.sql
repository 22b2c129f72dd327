SELECT e.extversion AS version, n.nspname::text AS schema,
       EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'pg_stat_statements.max') AS preloaded,
       -- The function reads a file for each extension that could be made; one that is made is there.
       coalesce(e.extversion, (SELECT a.default_version
                               FROM pg_catalog.pg_available_extensions() AS a (name, default_version, comment)
                               WHERE a.name = 'pg_stat_statements')) AS available,
       current_user::text AS role,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable
FROM (SELECT) AS always
LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
