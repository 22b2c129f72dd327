SELECT a.privilege_type AS privilege, a.is_grantable AS grantable,
       CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee)::text END AS grantee
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL aclexplode(c.relacl) AS a
WHERE n.nspname = %(schema)s AND c.relname = 'query_stats' AND a.grantee <> c.relowner
ORDER BY grantee, privilege
