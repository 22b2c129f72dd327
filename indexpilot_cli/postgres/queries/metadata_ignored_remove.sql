DELETE FROM {schema}.ignored_advice WHERE recommendation_id = %(id)s
