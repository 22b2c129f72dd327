SELECT c.relname::text AS name
FROM pg_catalog.pg_class i
JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
CROSS JOIN LATERAL pg_catalog.pg_partition_tree(i.oid) AS t
JOIN pg_catalog.pg_class c ON c.oid = t.relid
WHERE n.nspname = %(schema)s AND i.relname = %(name)s
