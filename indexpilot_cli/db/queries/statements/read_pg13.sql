SELECT s.userid::int8 AS role,
       s.queryid AS query_id,
       true AS top_level,
       s.query AS text,
       s.calls::float8 AS calls,
       s.total_exec_time::float8 AS total_ms,
       s.mean_exec_time::float8 AS mean_ms,
       s.stddev_exec_time::float8 AS deviation_ms,
       s.rows::float8 AS rows,
       (s.shared_blks_hit + s.shared_blks_read + s.local_blks_hit + s.local_blks_read)::float8 AS blocks
FROM {view} s
JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE d.datname = pg_catalog.current_database()
ORDER BY s.total_exec_time DESC
