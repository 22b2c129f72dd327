SELECT pg_catalog.pg_advisory_unlock(%(space)s::int, %(relation)s::int)
