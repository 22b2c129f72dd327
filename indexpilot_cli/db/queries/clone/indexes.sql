SELECT 'index' AS kind,
       'pg_class:' || x.oid AS identity,
       i.indrelid AS relation,
       jsonb_build_array(n.nspname, x.relname) AS path,
       jsonb_build_array(n.nspname, c.relname) AS "table",
       concat_ws(' ', pg_get_indexdef(x.oid), i.indisvalid, i.indisreplident, i.indisclustered, x.reloptions::text)
           AS definition,
       jsonb_strip_nulls(jsonb_build_object(
           'columns', u.columns,
           'unique', i.indisunique::text,
           'primary', i.indisprimary::text,
           'valid', i.indisvalid::text,
           'method', m.amname,
           'predicate', pg_get_expr(i.indpred, i.indrelid),
           'definition', pg_get_indexdef(x.oid),
           'nulls_not_distinct', coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false'),
           'constraint', (SELECT o.conname FROM pg_constraint o
                          WHERE o.conindid = x.oid AND o.conrelid = i.indrelid AND o.contype IN ('p', 'u', 'x') LIMIT 1),
           'parent', (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = x.oid LIMIT 1),
           'key_columns', i.indnkeyatts::text)) AS facts
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = x.relnamespace
JOIN pg_am m ON m.oid = x.relam
LEFT JOIN LATERAL (
    SELECT jsonb_agg(coalesce(a.attname, pg_get_indexdef(x.oid, k.place::int, true)) ORDER BY k.place)::text AS columns
    FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
) u ON true
WHERE n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND c.relkind IN ('r', 'p', 'm')
  AND ({relations}::oid[] IS NULL OR i.indrelid = ANY ({relations}::oid[]))
