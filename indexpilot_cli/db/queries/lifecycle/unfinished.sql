-- Whoever builds an index, or rebuilds it beside its readers, holds a lock of its table that keeps other changes of the
-- table away; locks are shown to everybody, progress is not.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       pg_catalog.pg_relation_size(c.oid) AS bytes,
       i.indisunique AND i.indisready AS refuses,
       (SELECT min(l.pid) FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'relation' AND l.relation = i.indrelid AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
          AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'AccessExclusiveLock')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = l.pid)) AS holder
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
-- An index of a partitioned table is not valid before its last part is attached: that is no leftover.
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname NOT LIKE 'pg\_temp\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                  WHERE p.index_relid = c.oid AND p.datname = pg_catalog.current_database())
ORDER BY n.nspname, c.relname
