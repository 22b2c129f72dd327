SELECT CASE WHEN c.relkind IN ('r', 'p', 'f') THEN 'table' WHEN c.relkind = 'v' THEN 'view'
            WHEN c.relkind = 'm' THEN 'materialized_view' ELSE 'sequence' END AS kind,
       'pg_class:' || c.oid AS identity,
       c.oid AS relation,
       jsonb_build_array(n.nspname, c.relname) AS path,
       jsonb_build_array(n.nspname, c.relname) AS "table",
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) ELSE '' END
           || concat_ws(' ', c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
                        pg_get_userbyid(c.relowner), c.reloptions::text, m.amname, t.spcname, p.parents,
                        pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), s.settings, o.owner) AS definition,
       jsonb_strip_nulls(jsonb_build_object(
           'relkind', c.relkind,
           'persistence', c.relpersistence,
           'owner', pg_get_userbyid(c.relowner),
           'options', c.reloptions::text,
           'row_security', CASE WHEN c.relrowsecurity THEN 'true' END,
           'bound', pg_get_expr(c.relpartbound, c.oid),
           'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
           'parent', p.parents,
           'populated', CASE WHEN c.relkind = 'm' THEN c.relispopulated::text END,
           'owned_by', o.owner,
           'type', s.type,
           'sequence', s.settings)) AS facts
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am m ON m.oid = c.relam AND c.relkind IN ('r', 'm')
LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
LEFT JOIN LATERAL (
    SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) AS parents
    FROM pg_inherits i WHERE i.inhrelid = c.oid
) p ON true
LEFT JOIN LATERAL (
    SELECT format_type(q.seqtypid, NULL) AS type,
           concat_ws(' ', format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmax, q.seqmin, q.seqcache,
                     q.seqcycle) AS settings
    FROM pg_sequence q WHERE c.relkind = 'S' AND q.seqrelid = c.oid
) s ON true
LEFT JOIN LATERAL (
    SELECT min(d.refobjid::regclass::text || '.' || a.attname) AS owner
    FROM pg_depend d
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
) o ON true
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
  AND n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND ({relations}::oid[] IS NULL OR c.oid = ANY ({relations}::oid[]))
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                  AND e.deptype = 'e')
