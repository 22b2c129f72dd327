SELECT s.name::text AS name, current_setting(s.name) AS value
FROM pg_settings s
WHERE (s.category LIKE 'Query Tuning%'
       OR s.name IN ('work_mem', 'hash_mem_multiplier', 'max_parallel_workers_per_gather', 'max_parallel_workers',
                     'parallel_leader_participation', 'effective_io_concurrency', 'temp_buffers', 'row_security',
                     'DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'extra_float_digits',
                     'standard_conforming_strings', 'default_text_search_config', 'transform_null_equals',
                     'lc_time', 'lc_monetary', 'lc_numeric', 'array_nulls', 'xmloption', 'escape_string_warning',
                     'quote_all_identifiers'))
  AND s.context IN ('user', 'superuser')
ORDER BY 1
