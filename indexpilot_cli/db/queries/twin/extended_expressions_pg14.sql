SELECT s.statistics_schemaname::text AS schema,
       s.statistics_name::text AS name,
       coalesce(s.inherited, false) AS inherited,
       s.expr AS expression,
       s.null_frac,
       s.avg_width,
       s.n_distinct,
       s.most_common_vals::text::text[] AS most_common_vals,
       s.most_common_freqs,
       s.histogram_bounds::text::text[] AS histogram_bounds,
       s.correlation,
       s.most_common_elems::text::text[] AS most_common_elems,
       s.most_common_elem_freqs,
       s.elem_count_histogram
FROM (VALUES (false)) AS before_15 (inherited)
CROSS JOIN LATERAL (
    SELECT statistics_schemaname, statistics_name, inherited, expr, null_frac, avg_width, n_distinct,
           most_common_vals, most_common_freqs, histogram_bounds, correlation, most_common_elems,
           most_common_elem_freqs, elem_count_histogram
    FROM pg_stats_ext_exprs
) AS s
WHERE s.null_frac IS NOT NULL
