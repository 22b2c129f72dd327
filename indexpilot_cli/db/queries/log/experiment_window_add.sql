INSERT INTO {schema}.ab_experiment_results (experiment_id, variant, metric, value, details_json)
VALUES (%(id)s, %(variant)s, 'window', %(value)s, %(details)s)
