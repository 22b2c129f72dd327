DELETE FROM pg_statistic s
USING pg_class c, pg_namespace n
WHERE c.oid = s.starelid AND n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
