SELECT s.statistics_schemaname::text AS schema,
       s.statistics_name::text AS name,
       s.schemaname::text AS table_schema,
       s.tablename::text AS table_name,
       s.attnames::text[] AS columns,
       coalesce(s.inherited, false) AS inherited,
       s.n_distinct::text AS "distinct",
       s.dependencies::text AS dependencies,
       s.most_common_vals AS values,
       s.most_common_freqs AS frequencies,
       s.most_common_base_freqs AS base_frequencies
FROM pg_stats_ext s
ORDER BY 1, 2, 6
