SELECT set_config('client_connection_check_interval', '500ms', false)
WHERE current_setting('client_connection_check_interval', true) IS NOT NULL
