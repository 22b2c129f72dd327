DELETE FROM {schema}.interceptor_outcomes WHERE created_at < now() - make_interval(days => %(days)s)
