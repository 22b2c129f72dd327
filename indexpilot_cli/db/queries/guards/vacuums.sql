SELECT v.relid::int8 AS relid,
       v.pid,
       a.backend_type = 'autovacuum worker' AS automatic,
       coalesce(a.query LIKE '%%to prevent wraparound%%', false) AS wraparound,
       v.phase,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM pg_catalog.pg_stat_progress_vacuum v
JOIN pg_catalog.pg_stat_activity a ON a.pid = v.pid
WHERE v.datname = pg_catalog.current_database() AND v.relid = ANY (%(relids)s::oid[])
