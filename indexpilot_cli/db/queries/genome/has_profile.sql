SELECT EXISTS (SELECT FROM {schema}.expression_profile WHERE tenant_id = %(tenant_id)s)
