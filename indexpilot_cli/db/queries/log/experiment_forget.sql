DELETE FROM {schema}.ab_experiments WHERE id = %(id)s
