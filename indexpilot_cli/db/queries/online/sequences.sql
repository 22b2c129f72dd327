SELECT n.nspname::text AS schema, s.relname::text AS name
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %(relid)s::oid AND d.refobjsubid = %(attnum)s::int AND d.deptype = 'a'
ORDER BY 1, 2
