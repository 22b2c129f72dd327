SELECT c.oid::int8 AS relid, n.nspname::text AS schema, c.relname::text AS name,
       pg_catalog.pg_relation_size(c.oid) AS bytes, c.relpages AS pages
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relpages > 100
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT c.relrowsecurity
ORDER BY abs(c.relpages - 8000), c.oid
LIMIT 1
