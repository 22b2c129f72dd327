SELECT r.details_json
FROM {schema}.ab_experiment_results r
WHERE r.experiment_id = %(id)s AND r.details_json IS NOT NULL
ORDER BY r.id
