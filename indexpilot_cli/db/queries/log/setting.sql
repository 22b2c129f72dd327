SELECT reset_val FROM pg_settings WHERE name = %(name)s
