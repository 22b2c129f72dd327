SELECT g.schema_name, g.table_name, g.field_name, g.field_type, g.feature_group, p.tenant_id IS NOT NULL AS explicit,
       coalesce(p.is_enabled, g.default_expression, true) AS enabled
FROM {schema}.genome_catalog AS g
LEFT JOIN {schema}.expression_profile AS p
    ON p.tenant_id = %(tenant_id)s AND p.schema_name = g.schema_name AND p.table_name = g.table_name
   AND p.field_name = g.field_name
WHERE (coalesce(p.is_enabled, g.default_expression, true) OR NOT %(active)s)
  AND (%(table_name)s::text IS NULL OR g.table_name = %(table_name)s)
  AND (%(schema_name)s::text IS NULL OR g.schema_name = %(schema_name)s)
ORDER BY g.schema_name, g.table_name, g.id
