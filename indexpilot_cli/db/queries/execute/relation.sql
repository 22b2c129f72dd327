SELECT c.oid::int8 AS relid, c.relkind::text AS kind, n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname = %(schema)s AND c.relname = %(name)s)
