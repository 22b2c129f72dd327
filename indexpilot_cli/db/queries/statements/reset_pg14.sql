SELECT i.stats_reset AS since, i.dealloc AS evicted, pg_catalog.now() AS taken_at,
       current_setting('pg_stat_statements.max', true)::int AS capacity,
       pg_catalog.pg_postmaster_start_time() AS started,
       (SELECT b.stats_reset FROM pg_catalog.pg_stat_bgwriter b) AS counting_since
FROM {info} i
