SELECT CASE d.classid
           WHEN 'pg_catalog.pg_trigger'::regclass THEN 'trigger'
           WHEN 'pg_catalog.pg_policy'::regclass THEN 'policy'
           WHEN 'pg_catalog.pg_proc'::regclass THEN 'function'
           WHEN 'pg_catalog.pg_publication_rel'::regclass THEN 'publication'
           WHEN 'pg_catalog.pg_attrdef'::regclass THEN 'generated column'
           ELSE 'other'
       END AS kind,
       CASE d.classid
           WHEN 'pg_catalog.pg_trigger'::regclass THEN (
               SELECT t.tgname::text FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid)
           WHEN 'pg_catalog.pg_policy'::regclass THEN (
               SELECT p.polname::text FROM pg_catalog.pg_policy p WHERE p.oid = d.objid)
           WHEN 'pg_catalog.pg_attrdef'::regclass THEN (
               SELECT a.attname::text
               FROM pg_catalog.pg_attrdef f
               JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
               WHERE f.oid = d.objid)
           WHEN 'pg_catalog.pg_publication_rel'::regclass THEN (
               SELECT p.pubname::text
               FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
               WHERE r.oid = d.objid)
           ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
       END AS name
FROM pg_catalog.pg_depend d
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %(relid)s::oid
  AND d.refobjsubid = %(number)s::int
  AND d.classid NOT IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_constraint'::regclass,
                        'pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_statistic_ext'::regclass)
  AND NOT (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid IN (
      SELECT f.oid FROM pg_catalog.pg_attrdef f WHERE f.adrelid = %(relid)s::oid AND f.adnum = %(number)s::int))
ORDER BY 1, 2
