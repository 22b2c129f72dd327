-- Without pg_read_all_stats the server shows of others' builds only process, database, role and application.
-- A build has no progress before it has its table's lock: until then it is known by its statement, of which nothing
-- but the kind leaves the server.
WITH waiting AS (
    SELECT a.pid, l.relation,
           pg_catalog.regexp_replace(a.query, '/\*.*?\*/|--[^\n]*', ' ', 'g') AS query
    FROM pg_catalog.pg_stat_activity a
    JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.locktype = 'relation' AND NOT l.granted
    WHERE a.state = 'active' AND a.query ~* '\m(create|reindex)\M'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid = a.pid)
), builds AS (
    SELECT p.pid, p.relid, p.index_relid, p.command, p.phase, p.lockers_total, p.lockers_done, p.blocks_total,
           p.blocks_done, p.tuples_total, p.tuples_done, p.partitions_total, p.partitions_done
    FROM pg_catalog.pg_stat_progress_create_index p
    UNION ALL
    SELECT w.pid, w.relation, 0,
           CASE WHEN w.query ~* '^\s*create' THEN 'CREATE INDEX' ELSE 'REINDEX' END
           || CASE WHEN w.query ~* '^\s*(create\s+(unique\s+)?index\s+concurrently\M|reindex\s*\([^)]*\mconcurrently\M|reindex\s+(\([^)]*\)\s*)?\w+\s+concurrently\M)'
                   THEN ' CONCURRENTLY' ELSE '' END,
           'waiting for the lock of its table', 0, 0, 0, 0, 0, 0, 0, 0
    FROM waiting w
    WHERE w.query ~* '^\s*(create\s+(unique\s+)?index|reindex)\M'
)
SELECT b.pid,
       a.datname::text AS database,
       a.datname = pg_catalog.current_database() AS here,
       a.usename::text AS role,
       a.application_name AS application,
       a.query_start AS began,
       pg_catalog.clock_timestamp() AS now,
       b.command,
       b.phase,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       t.oid::int8 AS relid,
       -- Of an index nobody else can see, by the one word of the statement that says it.
       coalesce(am.amname::text, lower(pg_catalog.substring(a.query, '(?i)\musing\s+"?([a-z_]+)')), 'btree') AS method,
       n.nspname::text AS index_schema,
       c.relname::text AS index_name,
       b.lockers_total, b.lockers_done, b.blocks_total, b.blocks_done, b.tuples_total, b.tuples_done,
       b.partitions_total, b.partitions_done,
       0 = ANY (pg_catalog.pg_blocking_pids(b.pid)) AS waits_for_prepared
FROM builds b
JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
LEFT JOIN pg_catalog.pg_class t ON t.oid = b.relid AND a.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
-- The index of a build that is one transaction cannot be seen by others before its end.
LEFT JOIN pg_catalog.pg_class c ON c.oid = b.index_relid AND a.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
ORDER BY a.query_start NULLS LAST, b.pid
