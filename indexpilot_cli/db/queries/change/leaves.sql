SELECT n.nspname::text AS schema, c.relname::text AS name,
       (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int)::int8 AS pages
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (
    SELECT %(relid)s::oid
    UNION ALL
    SELECT p.relid FROM pg_catalog.pg_partition_tree(%(relid)s::oid) p WHERE p.isleaf)
  AND c.relkind = 'r'
ORDER BY n.nspname, c.relname
