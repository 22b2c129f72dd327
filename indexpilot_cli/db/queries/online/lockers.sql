SELECT DISTINCT ON (a.pid) a.pid,
       coalesce(a.usename, '')::text AS user,
       coalesce(a.application_name, '')::text AS application,
       coalesce(a.state, '')::text AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
       a.backend_type = 'autovacuum worker' AS automatic
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY (%(relids)s::oid[])
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND l.pid <> %(pid)s::int AND l.pid <> pg_catalog.pg_backend_pid()
  AND extract(epoch FROM clock_timestamp() - a.xact_start) > %(older)s::float8
ORDER BY a.pid
