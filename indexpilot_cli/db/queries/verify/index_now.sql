SELECT coalesce(sum(pg_catalog.pg_relation_size(part.oid)), 0)::int8 AS bytes,
       coalesce(sum(pg_catalog.pg_stat_get_numscans(part.oid)), 0)::int8 AS scans,
       (SELECT s.reset_val FROM pg_catalog.pg_settings s WHERE s.name = 'track_counts') = 'on' AS counting,
       (SELECT d.stats_reset FROM pg_catalog.pg_stat_database d
        WHERE d.datname = pg_catalog.current_database()) AS reset_at
FROM pg_catalog.pg_class i
JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
CROSS JOIN LATERAL (SELECT i.oid UNION SELECT t.relid FROM pg_catalog.pg_partition_tree(i.oid) AS t) AS part
WHERE n.nspname = %(schema)s AND i.relname = %(name)s
