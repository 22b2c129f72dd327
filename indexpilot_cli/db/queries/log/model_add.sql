INSERT INTO {schema}.ml_model_metadata (model_name, model_version, samples, parameters, metrics)
SELECT %(name)s, coalesce(max(model_version), 0) + 1, %(samples)s, %(parameters)s, %(metrics)s
FROM {schema}.ml_model_metadata
WHERE model_name = %(name)s
RETURNING model_version
