SELECT s.name || ' = ' || pg_catalog.current_setting(s.name) AS setting
FROM pg_catalog.pg_settings s
WHERE s.name IN ('shared_buffers', 'maintenance_work_mem', 'full_page_writes', 'wal_compression', 'wal_level', 'fsync',
                 'synchronous_commit', 'max_parallel_maintenance_workers', 'gin_pending_list_limit')
ORDER BY s.name
