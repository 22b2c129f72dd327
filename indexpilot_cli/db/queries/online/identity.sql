SELECT a.attidentity = 'a' AS always,
       n.nspname::text AS schema,
       s.relname::text AS name,
       q.seqstart AS start, q.seqincrement AS increment, q.seqmin AS low, q.seqmax AS high, q.seqcache AS cache,
       q.seqcycle AS cycles,
       pg_catalog.obj_description(s.oid, 'pg_class') AS comment,
       coalesce((SELECT array_agg(ARRAY[x.privilege_type, CASE WHEN x.grantee <> 0 THEN
                                        pg_catalog.pg_get_userbyid(x.grantee)::text END, x.is_grantable::text])
                 FROM pg_catalog.aclexplode(s.relacl) AS x WHERE x.grantee <> s.relowner), '{}') AS grants
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
    AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i'
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
WHERE a.attrelid = %(relid)s::oid AND a.attnum = %(attnum)s::int AND a.attidentity <> ''
