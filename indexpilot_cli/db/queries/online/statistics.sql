SELECT n.nspname::text AS schema,
       s.stxname::text AS name,
       pg_catalog.pg_get_statisticsobjdef(s.oid) AS definition,
       coalesce((to_jsonb(s) ->> 'stxstattarget')::int, -1) AS target,
       pg_catalog.obj_description(s.oid, 'pg_statistic_ext') AS comment
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
WHERE s.stxrelid = %(relid)s::oid
ORDER BY s.oid
