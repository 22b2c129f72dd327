SELECT t.relid::oid::int8 AS oid
FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass) AS t
WHERE t.level > 0
ORDER BY t.level, t.relid
