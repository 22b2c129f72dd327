SELECT e.extversion AS statements_version, n.nspname::text AS statements_schema,
       -- What is only told where the extension is missing: both read much for one value.
       e.extversion IS NULL
       AND EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'pg_stat_statements.max') AS statements_preloaded,
       CASE WHEN e.extversion IS NULL
            THEN (SELECT a.default_version
                  FROM pg_catalog.pg_available_extensions() AS a (name, default_version, comment)
                  WHERE a.name = 'pg_stat_statements') END AS statements_available,
       current_user::text AS role,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS statements_usable
FROM (SELECT) AS always
LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
