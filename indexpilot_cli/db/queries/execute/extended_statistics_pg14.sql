SELECT s.oid::int8 AS oid,
       s.stxrelid::int8 AS relid,
       n.nspname::text AS schema,
       s.stxname::text AS name,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys)) AS columns,
       pg_catalog.pg_get_statisticsobjdef_expressions(s.oid) AS expressions,
       s.stxkind::text[] AS kinds,
       pg_catalog.obj_description(s.oid, 'pg_statistic_ext') AS comment,
       EXISTS (SELECT FROM pg_catalog.pg_stats_ext f
               WHERE f.statistics_schemaname = n.nspname AND f.statistics_name = s.stxname)
       OR EXISTS (SELECT FROM pg_catalog.pg_stats_ext_exprs f
                  WHERE f.statistics_schemaname = n.nspname AND f.statistics_name = s.stxname
                    AND f.n_distinct IS NOT NULL) AS filled
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_catalog.pg_class t ON t.oid = s.stxrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE (%(schema)s::text IS NULL OR n.nspname = %(schema)s AND s.stxname = %(name)s)
  AND (%(relids)s::oid[] IS NULL OR s.stxrelid = ANY (%(relids)s::oid[]))
ORDER BY n.nspname, s.stxname
