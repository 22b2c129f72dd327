SELECT c.relname,
       pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
           + pg_stat_get_xact_tuples_deleted(c.oid) AS written
FROM pg_class c
WHERE c.relnamespace = 11
  AND c.relname IN ('pg_class', 'pg_attribute', 'pg_attrdef', 'pg_constraint', 'pg_index', 'pg_inherits', 'pg_trigger',
                    'pg_policy', 'pg_rewrite', 'pg_statistic_ext', 'pg_proc', 'pg_type', 'pg_enum', 'pg_namespace',
                    'pg_extension', 'pg_sequence', 'pg_depend', 'pg_partitioned_table')
