SELECT c.oid::int8 AS relid, n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS w (schema, name) ON w.schema = n.nspname AND w.name = c.relname
WHERE c.relkind IN ('r', 'p', 'm')
