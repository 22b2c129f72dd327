-- track_counts and jit as everybody else has them: our own sessions that only look switch them off.
SELECT name, CASE WHEN name IN ('track_counts', 'jit') THEN reset_val ELSE setting END AS setting
FROM pg_catalog.pg_settings
WHERE name ~ '^(enable_|geqo|jit|min_parallel_)'
   OR name ~ '_cost$'
   OR name IN (
       'autovacuum_analyze_scale_factor', 'autovacuum_analyze_threshold', 'block_size', 'constraint_exclusion',
       'cursor_tuple_fraction', 'debug_parallel_query', 'default_statistics_target', 'effective_cache_size',
       'effective_io_concurrency', 'force_parallel_mode', 'from_collapse_limit', 'hash_mem_multiplier',
       'join_collapse_limit', 'maintenance_work_mem', 'max_parallel_workers', 'max_parallel_workers_per_gather',
       'max_worker_processes', 'parallel_leader_participation', 'plan_cache_mode', 'random_page_cost',
       'recursive_worktable_factor', 'row_security', 'seq_page_cost', 'shared_buffers', 'temp_buffers',
       'track_io_timing', 'track_counts', 'transform_null_equals', 'work_mem')
ORDER BY name
