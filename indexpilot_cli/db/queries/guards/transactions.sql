WITH others AS (
    SELECT a.pid, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
           a.usename::text AS role, a.application_name AS application, a.state, a.backend_xmin
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = pg_catalog.current_database()
      AND a.pid <> pg_catalog.pg_backend_pid()
      AND NOT a.pid = ANY (%(own_pids)s::int[])
      AND a.backend_type NOT IN ('autovacuum worker', 'walsender', 'parallel worker')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
), writers AS (
    SELECT DISTINCT ON (l.pid, l.virtualtransaction) l.pid, l.virtualtransaction, l.relation::int8 AS relid
    FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
      AND l.relation = ANY (%(relids)s::oid[])
      AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock')
)
SELECT o.pid, o.seconds, o.role, o.application, o.state, w.relid, NULL::text AS prepared
FROM others o
LEFT JOIN writers w ON w.pid = o.pid
WHERE o.backend_xmin IS NOT NULL OR w.pid IS NOT NULL
UNION ALL
SELECT NULL, extract(epoch FROM clock_timestamp() - p.prepared)::float8, p.owner::text, NULL, NULL, w.relid, p.gid
FROM writers w
JOIN pg_catalog.pg_locks x
    ON x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = w.virtualtransaction
JOIN pg_catalog.pg_prepared_xacts p
    ON p.database = pg_catalog.current_database() AND p.transaction = x.transactionid
WHERE w.pid IS NULL
