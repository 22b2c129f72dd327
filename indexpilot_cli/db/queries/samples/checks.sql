-- What is true of every row that is there, or NULL. Those of version 18 that are not enforced say nothing of new rows,
-- and what children do not inherit nothing of theirs.
SELECT pg_catalog.pg_get_expr(o.conbin, o.conrelid) AS condition
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND o.contype = 'c' AND o.convalidated AND NOT o.connoinherit
  AND coalesce(pg_catalog.to_jsonb(o) ->> 'conenforced', 'true') = 'true'
ORDER BY o.conname
