INSERT INTO {schema}.ab_experiment_results (experiment_id, variant, metric, value)
SELECT e.id, %(variant)s, %(metric)s, v.value
FROM {schema}.ab_experiments e
CROSS JOIN LATERAL unnest(%(values)s::double precision[]) WITH ORDINALITY AS v (value, place)
WHERE e.name = %(name)s AND e.kind = 'host' AND e.status = 'running'
ORDER BY v.place
RETURNING id
