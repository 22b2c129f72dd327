INSERT INTO {schema}.expression_profile (tenant_id, schema_name, table_name, field_name, is_enabled)
SELECT %(tenant_id)s, schema_name, table_name, field_name, coalesce(default_expression, true)
FROM {schema}.genome_catalog
ON CONFLICT (tenant_id, table_name, field_name, schema_name) DO NOTHING
