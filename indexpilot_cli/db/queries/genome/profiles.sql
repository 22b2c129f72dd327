SELECT tenant_id, schema_name, table_name, field_name, coalesce(is_enabled, true) AS is_enabled
FROM {schema}.expression_profile
WHERE tenant_id IS NOT NULL
ORDER BY tenant_id, id
