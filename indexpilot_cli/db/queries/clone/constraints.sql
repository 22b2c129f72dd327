SELECT 'constraint' AS kind,
       'pg_constraint:' || o.oid AS identity,
       o.conrelid AS relation,
       jsonb_build_array(n.nspname, c.relname, o.conname) AS path,
       jsonb_build_array(n.nspname, c.relname) AS "table",
       concat_ws(' ', pg_get_constraintdef(o.oid), o.convalidated, to_jsonb(o) ->> 'conenforced') AS definition,
       jsonb_strip_nulls(jsonb_build_object(
           'contype', o.contype,
           'columns', u.columns,
           'definition', pg_get_constraintdef(o.oid),
           'validated', o.convalidated::text,
           'enforced', coalesce(to_jsonb(o) ->> 'conenforced', 'true'),
           'deferrable', CASE WHEN o.condeferrable THEN 'true' END,
           'references', CASE WHEN o.confrelid <> 0 THEN o.confrelid::regclass::text END,
           'references_path', CASE WHEN o.confrelid <> 0 THEN (
               SELECT jsonb_build_array(rn.nspname, r.relname)::text
               FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE r.oid = o.confrelid) END,
           'referenced_columns', f.columns,
           'expression', CASE WHEN o.contype = 'c' THEN pg_get_expr(o.conbin, o.conrelid) END,
           'index', CASE WHEN o.contype IN ('p', 'u', 'x') THEN (
               SELECT x.relname FROM pg_class x WHERE x.oid = o.conindid) END,
           'inherited', CASE WHEN o.coninhcount > 0 OR o.conparentid <> 0 THEN 'true' END)) AS facts
FROM pg_constraint o
JOIN pg_class c ON c.oid = o.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT jsonb_agg(a.attname ORDER BY k.place)::text AS columns
    FROM unnest(o.conkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.number
) u ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(a.attname ORDER BY k.place)::text AS columns
    FROM unnest(o.confkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.number
) f ON true
WHERE o.contype IN ('c', 'f', 'p', 'u', 'x')
  AND n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
