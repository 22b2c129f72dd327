INSERT INTO {schema}.expression_profile AS p (tenant_id, schema_name, table_name, field_name, is_enabled)
SELECT %(tenant_id)s, g.schema_name, g.table_name, g.field_name, %(is_enabled)s
FROM {schema}.genome_catalog AS g
WHERE g.schema_name = %(schema_name)s AND g.table_name = %(table_name)s AND g.field_name = %(field_name)s
  AND (coalesce(g.default_expression, true) <> %(is_enabled)s OR EXISTS (
      SELECT FROM {schema}.expression_profile AS e
      WHERE e.tenant_id = %(tenant_id)s AND e.schema_name = g.schema_name AND e.table_name = g.table_name
        AND e.field_name = g.field_name
  ))
ON CONFLICT (tenant_id, table_name, field_name, schema_name) DO UPDATE SET is_enabled = EXCLUDED.is_enabled
WHERE p.is_enabled IS DISTINCT FROM EXCLUDED.is_enabled
