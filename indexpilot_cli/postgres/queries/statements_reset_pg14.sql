SELECT i.stats_reset AS since, i.dealloc AS evicted, pg_catalog.now() AS taken_at,
       current_setting('pg_stat_statements.max', true)::int AS capacity
FROM {info} i
