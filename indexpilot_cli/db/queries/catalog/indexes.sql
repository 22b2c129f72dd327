WITH builds AS MATERIALIZED (
    -- Read once: as a subquery of every row it looks dear enough to the planner to compile the query (jit), for a second.
    -- REINDEX TABLE CONCURRENTLY shows one of its new indexes at a time, and a role without pg_read_all_stats sees of
    -- others' builds only who they are: the lock on the table, kept from the first transaction to the last, tells too.
    SELECT p.pid, p.param7::oid AS index_relid,
           ARRAY(SELECT l.relation FROM pg_catalog.pg_lock_status() l
                 WHERE l.pid = p.pid AND l.locktype = 'relation' AND l.mode = 'ShareUpdateExclusiveLock'
                   AND l.granted) AS locked
    FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') p
    WHERE p.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
), parents AS MATERIALIZED (
    SELECT h.inhrelid, n.nspname, c.relname
    FROM pg_catalog.pg_inherits h
    JOIN pg_catalog.pg_class c ON c.oid = h.inhparent AND c.relkind = 'I'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)
-- What is one value is a question of its own, and what views show comes from their functions, as in execute/index: as
-- joins and views, all that took the server longer to plan than to run.
SELECT i.indexrelid::int8 AS oid,
       i.indrelid::int8 AS relation,
       n.nspname::text AS schema,
       c.relname::text AS name,
       (SELECT am.amname::text FROM pg_catalog.pg_am am WHERE am.oid = c.relam) AS method,
       i.indnkeyatts AS key_count,
       i.indisunique AS is_unique,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
       i.indimmediate AS immediate,
       i.indisprimary AS is_primary,
       i.indisvalid AS valid,
       i.indisready AND i.indislive AS ready,
       i.indisclustered AS clustered,
       i.indisreplident AS replica_identity,
       (SELECT con.contype::text FROM pg_catalog.pg_constraint con
        WHERE con.conrelid = i.indrelid AND con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x'))
           AS "constraint",
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       c.reloptions::text[] AS options,
       pg_catalog.pg_get_indexdef(i.indexrelid) AS ddl,
       CASE WHEN c.relkind = 'i'
            THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) / current_setting('block_size')::int
            ELSE 0 END AS pages,
       greatest(c.reltuples, 0)::float8 AS tuples,
       pg_catalog.pg_stat_get_numscans(c.oid) AS scans,
       (SELECT d.description FROM pg_catalog.pg_description d
        WHERE d.objoid = c.oid AND d.classoid = c.tableoid AND d.objsubid = 0) AS comment,
       (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace) AS tablespace,
       ARRAY(SELECT ARRAY[a.attnum::int, a.attstattarget::int] FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum) AS targets,
       p.nspname::text AS parent_schema,
       p.relname::text AS parent_name,
       (SELECT b.pid FROM builds b
        WHERE b.index_relid = c.oid OR NOT i.indisvalid AND i.indrelid = ANY (b.locked) LIMIT 1) AS builder,
       -- IN, not EXISTS: pg_constraint has no index on conindid, and so it is read once for all indexes.
       i.indexrelid IN (SELECT f.conindid FROM pg_catalog.pg_constraint f WHERE f.contype = 'f') AS referenced
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN parents p ON p.inhrelid = c.oid
WHERE i.indrelid = ANY (%(oids)s::oid[])
ORDER BY n.nspname, c.relname
