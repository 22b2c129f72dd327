SELECT pg_catalog.pg_backend_pid() AS pid, a.backend_start
FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a
