SELECT n.nspname::text AS schema, c.relname::text AS name, o.conname::text AS label,
       pg_catalog.pg_get_expr(o.conbin, o.conrelid) AS expression, o.convalidated AS validated
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE o.contype = 'c' AND coalesce(pg_catalog.to_jsonb(o) ->> 'conenforced', 'true') = 'true'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
