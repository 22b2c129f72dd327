SELECT a.pid,
       coalesce(a.usename, '')::text AS user,
       coalesce(a.application_name, '')::text AS application,
       coalesce(a.state, '')::text AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM unnest(pg_catalog.pg_blocking_pids(%(pid)s::int)) AS blocker (pid)
JOIN pg_catalog.pg_stat_activity a ON a.pid = blocker.pid
ORDER BY a.xact_start NULLS LAST
