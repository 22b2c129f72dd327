SELECT d.refobjsubid AS number,
       n.nspname::text AS schema,
       c.relname::text AS name,
       d.deptype = 'i' AS is_identity,
       pg_catalog.format_type(s.seqtypid, NULL) AS type,
       s.seqstart AS start,
       s.seqincrement AS increment,
       s.seqmin AS minimum,
       s.seqmax AS maximum,
       s.seqcache AS cache,
       s.seqcycle AS cycles,
       CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT, USAGE')
            THEN pg_catalog.pg_sequence_last_value(c.oid) END AS last_value,
       c.relpersistence::text AS persistence,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       (SELECT jsonb_agg(jsonb_build_object(
                   'grantee', CASE x.grantee WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee) END,
                   'grantor', pg_catalog.pg_get_userbyid(x.grantor),
                   'privilege', x.privilege_type, 'grantable', x.is_grantable) ORDER BY x.ordinality)
        FROM pg_catalog.aclexplode(c.relacl) WITH ORDINALITY x) AS grants
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
WHERE d.classid = 'pg_catalog.pg_class'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %(relid)s::oid
  AND d.refobjsubid > 0
  AND d.deptype IN ('a', 'i')
ORDER BY d.refobjsubid, c.relname
