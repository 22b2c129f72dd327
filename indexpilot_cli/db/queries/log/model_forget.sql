WITH gone AS (
    DELETE FROM {schema}.ml_model_metadata WHERE %(name)s::text IS NULL OR model_name = %(name)s RETURNING 1)
SELECT count(*) FROM gone
