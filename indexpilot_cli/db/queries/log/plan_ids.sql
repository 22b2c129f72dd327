SELECT id FROM {schema}.plans ORDER BY created_at DESC, id LIMIT %(limit)s
