SELECT coalesce(sum(pg_catalog.pg_relation_size(part.oid)), 0)::int8 AS bytes
FROM pg_catalog.pg_class i
JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
CROSS JOIN LATERAL (SELECT i.oid UNION SELECT t.relid FROM pg_catalog.pg_partition_tree(i.oid) AS t) AS part
WHERE n.nspname = %(schema)s AND i.relname = %(name)s
