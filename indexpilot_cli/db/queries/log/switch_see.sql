INSERT INTO {schema}.runtime_switch (name, is_off, reason) VALUES (%(name)s, true, %(reason)s)
ON CONFLICT (name) DO NOTHING
