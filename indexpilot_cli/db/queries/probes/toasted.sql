SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.reltoastrelid <> 0
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND pg_catalog.pg_relation_size(c.reltoastrelid) > 0
