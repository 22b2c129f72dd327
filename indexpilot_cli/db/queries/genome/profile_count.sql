SELECT count(*)
FROM {schema}.expression_profile
WHERE tenant_id IS NOT NULL AND table_name = %(table_name)s AND field_name = %(field_name)s
  AND schema_name = %(schema_name)s
