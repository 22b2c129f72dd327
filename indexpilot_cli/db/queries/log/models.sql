SELECT DISTINCT ON (model_name) model_name AS name, model_version AS version, samples, parameters, metrics, created_at
FROM {schema}.ml_model_metadata
WHERE %(name)s::text IS NULL OR model_name = %(name)s
ORDER BY model_name, model_version DESC
