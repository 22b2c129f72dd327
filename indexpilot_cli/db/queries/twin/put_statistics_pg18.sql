SELECT g.relation,
       coalesce(g."column", g.number::text) AS "column",
       NOT whole.known AS left_out,
       CASE WHEN whole.known THEN pg_catalog.pg_restore_attribute_stats(
           'schemaname', n.nspname::text,
           'relname', c.relname::text,
           'attname', CASE WHEN g.number IS NULL THEN g."column" END,
           'attnum', g.number,
           'inherited', coalesce(g.inherited, false),
           'null_frac', g.null_frac,
           'avg_width', g.avg_width,
           'n_distinct', g.n_distinct,
           'most_common_vals', CASE WHEN cardinality(g.most_common_vals) > 0 THEN g.most_common_vals::text END,
           'most_common_freqs', CASE WHEN cardinality(g.most_common_vals) > 0 THEN g.most_common_freqs END,
           'histogram_bounds', CASE WHEN cardinality(g.histogram_bounds) > 0 THEN g.histogram_bounds::text END,
           'correlation', g.correlation,
           'most_common_elems', CASE WHEN cardinality(g.most_common_elems) > 0 THEN g.most_common_elems::text END,
           'most_common_elem_freqs',
               CASE WHEN cardinality(g.most_common_elems) > 0 THEN g.most_common_elem_freqs END,
           'elem_count_histogram',
               CASE WHEN cardinality(g.elem_count_histogram) > 0 THEN g.elem_count_histogram END,
           'range_length_histogram',
               CASE WHEN cardinality(g.range_length_histogram) > 0 THEN g.range_length_histogram::text END,
           'range_empty_frac', CASE WHEN cardinality(g.range_length_histogram) > 0 THEN g.range_empty_frac END,
           'range_bounds_histogram',
               CASE WHEN cardinality(g.range_bounds_histogram) > 0 THEN g.range_bounds_histogram::text END
       ) ELSE false END AS taken
FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (
    relation text, "column" text, number smallint, inherited boolean, null_frac real, avg_width integer,
    n_distinct real, correlation real, most_common_vals text[], most_common_freqs real[],
    histogram_bounds text[], most_common_elems text[], most_common_elem_freqs real[],
    elem_count_histogram real[], range_length_histogram text[], range_empty_frac real,
    range_bounds_histogram text[], own jsonb, type oid)
JOIN pg_class c ON c.oid = to_regclass(g.relation)
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attname = g."column" OR a.attnum = g.number) AND NOT a.attisdropped
JOIN pg_type t ON t.oid = coalesce(g.type, a.atttypid)
CROSS JOIN LATERAL (SELECT t.typanalyze::oid < 16384 OR jsonb_array_length(g.own) > 0) AS whole (known)
