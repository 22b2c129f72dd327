SELECT x.privilege_type AS privilege,
       CASE WHEN x.grantee <> 0 THEN pg_catalog.pg_get_userbyid(x.grantee)::text END AS grantee,
       x.is_grantable AS grantable
FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) AS x
WHERE a.attrelid = %(relid)s::oid AND a.attnum = %(attnum)s::int
ORDER BY 2 NULLS FIRST, 1
