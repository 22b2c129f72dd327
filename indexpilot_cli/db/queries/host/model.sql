SELECT parameters
FROM {schema}.ml_model_metadata
WHERE model_name = %(name)s
ORDER BY model_version DESC
LIMIT 1
