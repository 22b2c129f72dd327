SELECT EXISTS (SELECT FROM {schema}.expression_profile p WHERE p.tenant_id = %(tenant)s)
