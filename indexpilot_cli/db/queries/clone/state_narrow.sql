WITH held AS MATERIALIZED (
    SELECT DISTINCT l.relation
    FROM pg_locks l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
),
known AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relnamespace, c.relname, pg_stat_get_xact_numscans(c.oid) AS scans
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I', 'S', 'f') AND c.oid >= 16384
)
SELECT k.oid, k.relkind, n.nspname, k.relname, coalesce(i.indrelid, 0) AS owner, k.scans,
       coalesce(pg_relation_filenode(k.oid), 0) AS node
FROM known k
JOIN pg_namespace n ON n.oid = k.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = k.oid
WHERE (k.scans > 0 OR k.oid IN (SELECT relation FROM held))
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
