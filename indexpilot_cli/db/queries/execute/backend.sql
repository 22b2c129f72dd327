SELECT pg_catalog.pg_backend_pid() AS pid, a.backend_start
FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()
