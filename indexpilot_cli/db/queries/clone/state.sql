SELECT c.oid, c.relkind, n.nspname, c.relname, coalesce(i.indrelid, 0) AS owner,
       pg_stat_get_xact_numscans(c.oid) AS scans,
       coalesce(pg_relation_filenode(c.oid), 0) AS node
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I', 'S', 'f')
  AND c.oid >= 16384
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
