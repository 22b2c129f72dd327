SELECT pg_catalog.pg_try_advisory_lock(%(space)s::int, %(relation)s::int)
