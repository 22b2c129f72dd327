SELECT n.oid::bigint AS oid, n.nspname::text AS name
FROM pg_catalog.pg_namespace n
WHERE n.nspname LIKE 'indexpilot\_scratch\_%%'
  AND pg_catalog.obj_description(n.oid, 'pg_namespace') = %(tag)s
  AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
ORDER BY n.nspname
