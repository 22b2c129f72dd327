DELETE FROM {schema}.query_stats WHERE created_at < now() - make_interval(secs => %(days)s * 86400)
