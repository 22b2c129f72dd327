WITH waiting AS (
    SELECT DISTINCT l.pid, l.virtualtransaction, l.relation
    FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
      AND l.relation = ANY (%(relids)s::oid[])
)
SELECT w.relation::int8 AS relid, a.pid, a.usename::text AS "user", a.application_name AS application, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM waiting w
JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start IS NOT NULL
UNION ALL
SELECT w.relation::int8, 0, p.owner::text, p.gid, 'prepared transaction',
       extract(epoch FROM clock_timestamp() - p.prepared)::float8
FROM waiting w
JOIN pg_catalog.pg_locks x
    ON x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = w.virtualtransaction
JOIN pg_catalog.pg_prepared_xacts p
    ON p.database = pg_catalog.current_database() AND p.transaction = x.transactionid
WHERE w.pid IS NULL
ORDER BY seconds DESC NULLS LAST
