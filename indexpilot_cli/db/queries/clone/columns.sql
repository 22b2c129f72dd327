SELECT 'column' AS kind,
       'pg_class:' || c.oid || ':' || a.attnum AS identity,
       c.oid AS relation,
       jsonb_build_array(n.nspname, c.relname, a.attname) AS path,
       jsonb_build_array(n.nspname, c.relname) AS "table",
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), l.name, a.attnotnull, k.validated, a.attidentity,
                 a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attstorage, to_jsonb(a) ->> 'attcompression',
                 a.attstattarget, v.options, a.attislocal, a.attinhcount) AS definition,
       jsonb_strip_nulls(jsonb_build_object(
           'type', format_type(a.atttypid, a.atttypmod),
           'base_type', format_type(a.atttypid, NULL),
           'number', a.attnum::text,
           'not_null', CASE WHEN k.validated = 'f' THEN 'not_valid' ELSE a.attnotnull::text END,
           'not_null_constraint', k.name,
           'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           'expression', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END,
           'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by_default' END,
           'collation', l.name,
           'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
           'inherited', CASE WHEN a.attinhcount > 0 THEN 'true' END)) AS facts
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN LATERAL (
    SELECT o.collname AS name FROM pg_collation o
    WHERE o.oid = a.attcollation AND a.attcollation <> t.typcollation
) l ON true
LEFT JOIN LATERAL (
    -- pg_attver is the server's own count of changes, written by late minor versions.
    SELECT string_agg(x, ',' ORDER BY x) AS options FROM unnest(a.attoptions) x WHERE x !~ '^pg_attver='
) v ON true
LEFT JOIN LATERAL (
    SELECT q.conname AS name, CASE WHEN q.convalidated THEN 't' ELSE 'f' END AS validated
    FROM pg_constraint q
    WHERE q.conrelid = a.attrelid AND q.contype = 'n' AND q.conkey[1] = a.attnum
    LIMIT 1
) k ON true
WHERE c.relkind IN ('r', 'p', 'f')
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
