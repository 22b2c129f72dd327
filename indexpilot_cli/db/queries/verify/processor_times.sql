SELECT pg_catalog.set_config(s.name, w.setting, false) AS setting
FROM (VALUES ('client_min_messages', 'log'), ('log_min_messages', 'panic'), ('log_statement_stats', 'on'))
     AS w (name, setting)
JOIN pg_catalog.pg_settings s ON s.name = w.name
WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
