SELECT NULL::timestamptz AS since, 0::int8 AS evicted, pg_catalog.now() AS taken_at,
       current_setting('pg_stat_statements.max', true)::int AS capacity
