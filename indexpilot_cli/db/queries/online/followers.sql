SELECT DISTINCT coalesce(c.relname, k.conname, s.stxname)::text AS name
FROM pg_catalog.pg_depend d
LEFT JOIN pg_catalog.pg_class c
    ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid AND c.relkind IN ('i', 'I')
LEFT JOIN pg_catalog.pg_constraint k
    ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid AND k.contype <> 'n'
LEFT JOIN pg_catalog.pg_statistic_ext s ON d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND s.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %(relid)s::oid AND d.refobjsubid = %(attnum)s::int
  AND coalesce(c.relname, k.conname, s.stxname) IS NOT NULL
ORDER BY 1
