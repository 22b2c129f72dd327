SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       c.oid::bigint AS oid,
       c.relkind::text AS kind,
       pg_relation_filenode(c.oid)::bigint AS node,
       am.amname::text AS method,
       i.indrelid::bigint AS table_oid,
       i.indnkeyatts::int AS keys,
       (SELECT substr(o, 17)::int FROM unnest(c.reloptions) AS o WHERE o LIKE 'pages_per_range=%') AS pages_per_range
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_am am ON am.oid = c.relam AND c.relkind IN ('i', 'I')
WHERE c.relkind IN ('r', 'm', 'i', 'p', 'I')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%'
