SELECT c.oid::int8 AS relation,
       s.attname::text AS name,
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
FROM pg_catalog.pg_stats s
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE s.tablename = ANY (%(names)s::name[]) AND c.oid = ANY (%(oids)s::oid[])
ORDER BY c.oid, s.attname, s.inherited
