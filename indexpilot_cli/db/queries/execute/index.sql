-- In steps, and what is one value as a question of its own: so many joins at once take longer to plan than to run. Not
-- by the views pg_locks and pg_stat_progress_create_index, nor by obj_description(): each is planned anew every time.
SELECT c.oid::int8 AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       (SELECT tn.nspname::text FROM pg_catalog.pg_namespace tn WHERE tn.oid = t.relnamespace) AS table_schema,
       t.relname::text AS table_name,
       i.indrelid::int8 AS relid,
       pg_catalog.pg_get_indexdef(c.oid) AS ddl,
       (SELECT am.amname::text FROM pg_catalog.pg_am am WHERE am.oid = c.relam) AS method,
       i.indnkeyatts AS key_count,
       i.indisunique AS is_unique,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       c.reloptions::text[] AS options,
       i.indisvalid AS valid,
       i.indisready AS ready,
       i.indislive AS live,
       c.relkind = 'I' AS partitioned,
       p.names[1] AS parent_schema,
       p.names[2] AS parent_name,
       (SELECT d.description FROM pg_catalog.pg_description d
        WHERE d.objoid = c.oid AND d.classoid = c.tableoid AND d.objsubid = 0) AS comment,
       i.indisreplident AS replica_identity,
       i.indisclustered AS clustered,
       (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace) AS tablespace,
       ARRAY(SELECT ARRAY[a.attnum::int, a.attstattarget::int] FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum) AS targets,
       ARRAY(SELECT DISTINCT o.conname::text FROM pg_catalog.pg_constraint o WHERE o.conindid = c.oid) AS dependents,
       CASE WHEN c.relkind = 'i' THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END AS bytes,
       -- REINDEX TABLE CONCURRENTLY shows one of its new indexes at a time, and a role without pg_read_all_stats sees of
       -- others' builds only who they are: the lock on the table, kept from the first transaction to the last, tells too.
       (SELECT b.pid FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') b
        WHERE b.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
          AND (b.param7::oid = c.oid OR NOT i.indisvalid AND EXISTS (
                   SELECT FROM pg_catalog.pg_lock_status() l
                   WHERE l.pid = b.pid AND l.locktype = 'relation' AND l.relation = i.indrelid
                     AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted))
        LIMIT 1) AS builder
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
LEFT JOIN LATERAL (
    SELECT (pg_catalog.pg_identify_object_as_address(c.tableoid, h.inhparent, 0)).object_names AS names
    FROM pg_catalog.pg_inherits h
    WHERE h.inhrelid = c.oid
    OFFSET 0
) AS p ON true
WHERE (%(oids)s::oid[] IS NULL OR c.oid = ANY (%(oids)s::oid[]))
  AND (%(schema)s::text IS NULL OR (n.nspname = %(schema)s AND c.relname = %(name)s))
  AND (%(relid)s::oid IS NULL OR i.indrelid = %(relid)s::oid)
ORDER BY c.relname
