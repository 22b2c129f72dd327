DELETE FROM {schema}.plans
WHERE id NOT IN (SELECT id FROM {schema}.plans ORDER BY created_at DESC, id LIMIT %(keep)s)
