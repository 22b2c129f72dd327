SELECT count(DISTINCT tenant_id) FROM {schema}.expression_profile
