SELECT coalesce(e.extname, a.name)::text AS name,
       e.extversion AS installed,
       a.default_version AS available,
       n.nspname::text AS schema
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
FULL JOIN pg_catalog.pg_available_extensions() AS a (name, default_version, comment) ON a.name = e.extname
ORDER BY 1
