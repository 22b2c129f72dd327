-- In steps, and what is one value as a question of its own: so many joins at once take longer to plan than to run.
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
       p.nspname::text AS parent_schema,
       p.relname::text AS parent_name,
       (SELECT count(*) FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid)::int AS children,
       CASE WHEN c.relkind = 'I'
            THEN (SELECT count(*) FROM pg_catalog.pg_inherits h WHERE h.inhparent = t.oid)::int ELSE 0 END AS expected,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       i.indisreplident AS replica_identity,
       i.indisclustered AS clustered,
       (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace) AS tablespace,
       (SELECT array_agg(ARRAY[a.attnum::int, a.attstattarget::int] ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0) AS targets,
       (SELECT array_agg(DISTINCT o.conname::text) FROM pg_catalog.pg_constraint o
        WHERE o.conindid = c.oid) AS dependents,
       CASE WHEN c.relkind = 'i' THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END AS bytes,
       -- REINDEX TABLE CONCURRENTLY shows one of its new indexes at a time, and a role without pg_read_all_stats sees of
       -- others' builds only who they are: the lock on the table, kept from the first transaction to the last, tells too.
       (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.datname = pg_catalog.current_database()
          AND (p.index_relid = c.oid OR NOT i.indisvalid AND EXISTS (
                   SELECT FROM pg_catalog.pg_locks l
                   WHERE l.pid = p.pid AND l.locktype = 'relation' AND l.relation = i.indrelid
                     AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted))
        LIMIT 1) AS builder
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
LEFT JOIN LATERAL (
    SELECT pn.nspname, pc.relname
    FROM pg_catalog.pg_inherits inherited
    JOIN pg_catalog.pg_class pc ON pc.oid = inherited.inhparent
    JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
    WHERE inherited.inhrelid = c.oid
    OFFSET 0
) AS p ON true
WHERE (%(oids)s::oid[] IS NULL OR c.oid = ANY (%(oids)s::oid[]))
  AND (%(schema)s::text IS NULL OR (n.nspname = %(schema)s AND c.relname = %(name)s))
  AND (%(relid)s::oid IS NULL OR i.indrelid = %(relid)s::oid)
ORDER BY c.relname
