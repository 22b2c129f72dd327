SELECT s.leaf_pages AS leaves, s.internal_pages AS above, s.avg_leaf_density AS density
FROM {pgstatindex}(%(index)s::oid::regclass) AS s
