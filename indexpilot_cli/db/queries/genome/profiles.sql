SELECT tenant_id, schema_name, table_name, field_name, coalesce(is_enabled, true) AS is_enabled
FROM {schema}.expression_profile
WHERE tenant_id IS NOT NULL AND table_name = %(table_name)s AND field_name = %(field_name)s
  AND schema_name = %(schema_name)s
ORDER BY tenant_id
