SELECT pg_catalog.set_config('pg_stat_statements.track', 'none', false) AS track
WHERE current_setting('pg_stat_statements.track', true) IS NOT NULL AND current_setting('is_superuser')::bool
