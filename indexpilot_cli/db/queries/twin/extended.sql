SELECT s.statistics_schemaname::text AS schema,
       s.statistics_name::text AS name,
       s.schemaname::text AS table_schema,
       s.tablename::text AS table_name,
       s.attnames::text[] AS columns,
       e.stxkeys::int[] AS numbers,
       coalesce(s.inherited, false) AS inherited,
       s.n_distinct::text AS "distinct",
       s.dependencies::text AS dependencies,
       s.most_common_vals AS values,
       s.most_common_freqs AS frequencies,
       s.most_common_base_freqs AS base_frequencies
FROM (VALUES (false)) AS before_15 (inherited)
CROSS JOIN LATERAL (
    SELECT statistics_schemaname, statistics_name, schemaname, tablename, attnames, inherited, n_distinct,
           dependencies, most_common_vals, most_common_freqs, most_common_base_freqs
    FROM pg_stats_ext
) AS s
JOIN pg_namespace n ON n.nspname = s.statistics_schemaname
JOIN pg_statistic_ext e ON e.stxnamespace = n.oid AND e.stxname = s.statistics_name
ORDER BY 1, 2, 6
