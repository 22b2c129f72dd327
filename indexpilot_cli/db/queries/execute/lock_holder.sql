SELECT l.pid,
       coalesce(a.usename, '')::text AS user,
       coalesce(a.application_name, '')::text AS application,
       coalesce(a.state, '')::text AS state,
       extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS seconds
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND l.classid = %(space)s::int::bigint::oid AND l.objid = %(relid)s::oid
LIMIT 1
