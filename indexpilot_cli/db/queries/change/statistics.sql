SELECT e.stxname::text AS name,
       n.nspname::text AS schema,
       pg_catalog.pg_get_statisticsobjdef(e.oid) AS definition,
       pg_catalog.obj_description(e.oid, 'pg_statistic_ext') AS comment,
       pg_catalog.pg_get_userbyid(e.stxowner)::text AS owner,
       CASE WHEN coalesce((to_jsonb(e) ->> 'stxstattarget')::int, -1) >= 0
            THEN (to_jsonb(e) ->> 'stxstattarget')::int END AS target,
       (SELECT array_agg(DISTINCT a.attname::text)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = e.stxrelid AND a.attnum > 0
          AND (a.attnum = ANY (e.stxkeys) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend d
              WHERE d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND d.objid = e.oid
                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = e.stxrelid
                AND d.refobjsubid = a.attnum))) AS columns
FROM pg_catalog.pg_statistic_ext e
JOIN pg_catalog.pg_namespace n ON n.oid = e.stxnamespace
WHERE e.stxrelid = %(relid)s::oid
ORDER BY n.nspname, e.stxname
