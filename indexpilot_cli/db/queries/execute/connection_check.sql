SELECT set_config(s.name, '500ms', false) FROM pg_catalog.pg_settings s WHERE s.name = 'client_connection_check_interval'
