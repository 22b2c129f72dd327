SELECT n.nspname::text
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
WHERE e.extname = 'pageinspect' AND r.rolsuper
