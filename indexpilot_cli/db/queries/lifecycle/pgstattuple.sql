SELECT n.nspname::text
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_proc p ON p.proname = 'pgstatindex'
JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.refobjid = e.oid AND d.deptype = 'e'
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE e.extname = 'pgstattuple'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
LIMIT 1
