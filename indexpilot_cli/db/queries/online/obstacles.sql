SELECT DISTINCT pg_catalog.pg_describe_object(
    CASE WHEN d.classid = 'pg_catalog.pg_rewrite'::regclass THEN 'pg_catalog.pg_class'::regclass ELSE d.classid END,
    CASE WHEN d.classid = 'pg_catalog.pg_rewrite'::regclass THEN r.ev_class ELSE d.objid END,
    CASE WHEN d.classid = 'pg_catalog.pg_rewrite'::regclass THEN 0 ELSE d.objsubid END) AS what
FROM pg_catalog.pg_depend d
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %(relid)s::oid AND d.refobjsubid = %(attnum)s::int
  AND d.classid <> 'pg_catalog.pg_statistic_ext'::regclass
  AND NOT coalesce(k.conrelid = %(relid)s::oid AND k.contype IN ('c', 'f', 'p', 'u', 'n')
                   OR k.contype = 'f' AND k.confrelid = %(relid)s::oid, false)
  AND NOT coalesce(c.relkind IN ('i', 'S'), false)
  AND NOT coalesce(f.adrelid = %(relid)s::oid AND f.adnum = %(attnum)s::int, false)
ORDER BY 1
