SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       c.relpages AS relpages,
       c.reltuples::float8 AS tuples,
       c.relallvisible AS all_visible,
       am.amname::text AS method,
       CASE
           WHEN c.relkind NOT IN ('r', 'm', 'i') THEN c.relpages
           WHEN %(lengths)s THEN pg_relation_size(c.oid) / current_setting('block_size')::int
           ELSE c.relpages
       END AS pages
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam AND c.relkind IN ('i', 'I')
WHERE c.relkind IN ('r', 'm', 'i', 'p', 'I', 'f')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%%'
  AND n.nspname <> ALL (%(without)s::text[])
ORDER BY 1, 2
