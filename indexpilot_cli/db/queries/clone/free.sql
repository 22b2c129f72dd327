SELECT 'function' AS kind,
       'pg_proc:' || p.oid AS identity,
       NULL::oid AS relation,
       jsonb_build_array(n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS path,
       NULL::jsonb AS "table",
       CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid)
            ELSE pg_get_function_arguments(p.oid) END AS definition,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END,
           'volatility', CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
           'language', l.lanname,
           'arguments', pg_get_function_identity_arguments(p.oid),
           'prokind', p.prokind,
           'returns', pg_get_function_result(p.oid))) AS facts
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, 'pg_type:' || t.oid, NULL,
       jsonb_build_array(n.nspname, t.typname), NULL,
       concat_ws(' ', t.typtype, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
                 t.typnotnull, t.typdefault, b.labels, k.checks, a.attributes, r.subtype),
       jsonb_strip_nulls(jsonb_build_object(
           'typtype', t.typtype,
           'type', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
           'not_null', CASE WHEN t.typtype = 'd' THEN t.typnotnull::text END,
           'default', t.typdefault,
           'labels', b.labels,
           'attributes', a.attributes,
           'checks', k.checks))
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
LEFT JOIN LATERAL (
    SELECT jsonb_agg(v.enumlabel ORDER BY v.enumsortorder)::text AS labels FROM pg_enum v WHERE v.enumtypid = t.oid
) b ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(o.conname || ' ' || pg_get_constraintdef(o.oid) ORDER BY o.conname)::text AS checks
    FROM pg_constraint o WHERE o.contypid = t.oid
) k ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(x.attname || ' ' || format_type(x.atttypid, x.atttypmod) ORDER BY x.attnum)::text AS attributes
    FROM pg_attribute x
    WHERE c.relkind = 'c' AND x.attrelid = t.typrelid AND x.attnum > 0 AND NOT x.attisdropped
) a ON true
LEFT JOIN LATERAL (SELECT g.rngsubtype::regtype::text AS subtype FROM pg_range g WHERE g.rngtypid = t.oid) r ON true
WHERE (t.typtype IN ('d', 'e', 'r') OR (t.typtype = 'c' AND c.relkind = 'c') OR (t.typtype = 'b' AND t.typelem = 0))
  AND n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
UNION ALL
SELECT 'schema', 'pg_namespace:' || n.oid, NULL, jsonb_build_array(n.nspname), NULL,
       pg_get_userbyid(n.nspowner), jsonb_build_object('owner', pg_get_userbyid(n.nspowner))
FROM pg_namespace n
WHERE n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
UNION ALL
SELECT 'extension', 'pg_extension:' || x.oid, NULL, jsonb_build_array(x.extname), NULL,
       x.extversion, jsonb_build_object('version', x.extversion)
FROM pg_extension x
