SELECT 'trigger' AS kind,
       'pg_trigger:' || g.oid AS identity,
       g.tgrelid AS relation,
       jsonb_build_array(n.nspname, c.relname, g.tgname) AS path,
       jsonb_build_array(n.nspname, c.relname) AS "table",
       concat_ws(' ', pg_get_triggerdef(g.oid), g.tgenabled) AS definition,
       jsonb_build_object('function', g.tgfoid::regprocedure::text, 'enabled', g.tgenabled) AS facts
FROM pg_trigger g
JOIN pg_class c ON c.oid = g.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
UNION ALL
SELECT 'policy', 'pg_policy:' || y.oid, y.polrelid,
       jsonb_build_array(n.nspname, c.relname, y.polname), jsonb_build_array(n.nspname, c.relname),
       concat_ws(' ', y.polcmd, y.polpermissive, y.polroles::text, pg_get_expr(y.polqual, y.polrelid),
                 pg_get_expr(y.polwithcheck, y.polrelid)),
       jsonb_strip_nulls(jsonb_build_object('using', pg_get_expr(y.polqual, y.polrelid),
                                            'check', pg_get_expr(y.polwithcheck, y.polrelid)))
FROM pg_policy y
JOIN pg_class c ON c.oid = y.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
UNION ALL
SELECT 'statistics', 'pg_statistic_ext:' || e.oid, e.stxrelid,
       jsonb_build_array(en.nspname, e.stxname), jsonb_build_array(n.nspname, c.relname),
       concat_ws(' ', pg_get_statisticsobjdef(e.oid), to_jsonb(e) ->> 'stxstattarget'),
       jsonb_strip_nulls(jsonb_build_object('columns', (
           SELECT jsonb_agg(a.attname ORDER BY a.attnum)::text FROM pg_attribute a
           WHERE a.attrelid = e.stxrelid AND a.attnum = ANY (e.stxkeys::int2[]))))
FROM pg_statistic_ext e
JOIN pg_namespace en ON en.oid = e.stxnamespace
JOIN pg_class c ON c.oid = e.stxrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
UNION ALL
SELECT 'rule', 'pg_rewrite:' || w.oid, w.ev_class,
       jsonb_build_array(n.nspname, c.relname, w.rulename), jsonb_build_array(n.nspname, c.relname),
       concat_ws(' ', pg_get_ruledef(w.oid), w.ev_enabled), jsonb_build_object()
FROM pg_rewrite w
JOIN pg_class c ON c.oid = w.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE w.rulename <> '_RETURN'
  AND n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
