SELECT r.relid,
       l.pid,
       l.mode,
       a.usename::text AS role,
       a.application_name AS application,
       coalesce(a.application_name LIKE 'indexpilot/%%', false) OR l.locktype = 'advisory' AS ours,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
               WHERE p.pid = l.pid AND p.relid = r.relid) AS building,
       CASE WHEN a.state <> 'active'
            THEN extract(epoch FROM clock_timestamp() - a.state_change)::float8 END AS idle_seconds
FROM pg_catalog.pg_locks l
JOIN unnest(%(relids)s::int8[]) AS r (relid)
    ON (l.locktype = 'relation' AND l.relation = r.relid::oid
        AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                       'AccessExclusiveLock'))
    OR (l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = %(space)s::int8::oid AND l.objid = r.relid::oid)
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND l.pid <> pg_catalog.pg_backend_pid()
  AND NOT l.pid = ANY (%(own_pids)s::int[])
  AND coalesce(a.backend_type, '') <> 'autovacuum worker'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = l.pid)
ORDER BY r.relid, l.pid
