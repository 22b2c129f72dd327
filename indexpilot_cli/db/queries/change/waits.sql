SELECT a.pid,
       coalesce(a.usename, '')::text AS user,
       coalesce(a.application_name, '')::text AS application,
       coalesce(a.state, '')::text AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
       bool_or(l.pid IS NOT NULL) AS holds
FROM pg_catalog.pg_stat_activity a
LEFT JOIN pg_catalog.pg_locks l
    ON l.pid = a.pid AND l.locktype = 'relation' AND l.granted AND l.relation = %(relid)s::oid
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
WHERE a.datname = pg_catalog.current_database()
  AND NOT a.pid = ANY (%(own_pids)s::int[])
  AND a.backend_type = 'client backend'
  AND a.xact_start IS NOT NULL
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start
ORDER BY bool_or(l.pid IS NOT NULL) DESC, a.xact_start
LIMIT 20
