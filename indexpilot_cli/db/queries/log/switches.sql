SELECT name, is_off, reason, coalesce(actor, '') AS actor, since, until FROM {schema}.runtime_switch ORDER BY name
