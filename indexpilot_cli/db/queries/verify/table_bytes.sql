SELECT coalesce(sum(pg_catalog.pg_relation_size(part.oid)), 0)::int8
FROM (SELECT %(relid)s::oid AS oid
      UNION SELECT t.relid FROM pg_catalog.pg_partition_tree(%(relid)s::oid::regclass) AS t) AS part
