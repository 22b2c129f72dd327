SELECT n.nspname::text AS schema, c.relname::text AS name, o.conname::text AS label
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE o.condeferrable AND o.contype IN ('f', 'p', 'u', 'x')
