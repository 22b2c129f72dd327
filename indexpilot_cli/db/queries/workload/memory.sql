SELECT set_config('work_mem', greatest(setting::integer, %(kilobytes)s)::text || 'kB', true)
FROM pg_settings
WHERE name = 'work_mem'
