SELECT pg_catalog.set_config(s.name, 'none', false) AS track
FROM pg_catalog.pg_settings s
WHERE s.name = 'pg_stat_statements.track'
  AND (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
