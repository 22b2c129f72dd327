SELECT c.oid::int8 AS oid,
       s.schemaname::text AS schema,
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
       s.elem_count_histogram,
       s.range_length_histogram::text::text[] AS range_length_histogram,
       s.range_empty_frac,
       s.range_bounds_histogram::text::text[] AS range_bounds_histogram
FROM (VALUES (NULL::text, NULL::float4, NULL::text))
     AS before_17 (range_length_histogram, range_empty_frac, range_bounds_histogram)
CROSS JOIN LATERAL (
    SELECT schemaname, tablename, attname, inherited, null_frac, avg_width, n_distinct, most_common_vals,
           most_common_freqs, histogram_bounds, correlation, most_common_elems, most_common_elem_freqs,
           elem_count_histogram, range_length_histogram, range_empty_frac, range_bounds_histogram
    FROM pg_catalog.pg_stats
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
      AND (%(names)s::name[] IS NULL OR tablename = ANY (%(names)s::name[]))
) AS s
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE %(oids)s::oid[] IS NULL OR c.oid = ANY (%(oids)s::oid[])
ORDER BY 2, 3, 6, 7
