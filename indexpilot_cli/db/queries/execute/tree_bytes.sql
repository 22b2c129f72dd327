SELECT coalesce(sum(pg_relation_size(relid)), 0)::bigint FROM pg_partition_tree(%(oid)s::oid::regclass)
