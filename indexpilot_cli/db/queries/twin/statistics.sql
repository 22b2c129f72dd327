SELECT s.schemaname::text AS schema,
       s.tablename::text AS relation,
       c.relkind::text AS kind,
       s.attname::text AS "column",
       a.attnum::int AS number,
       s.inherited,
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
FROM pg_stats s
JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, 5, 6
