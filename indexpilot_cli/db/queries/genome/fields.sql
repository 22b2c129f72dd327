SELECT schema_name, table_name, field_name, field_type, is_required, is_indexable, default_expression, feature_group,
       created_at, updated_at
FROM {schema}.genome_catalog
WHERE (%(table_name)s::text IS NULL OR table_name = %(table_name)s)
  AND (%(schema_name)s::text IS NULL OR schema_name = %(schema_name)s)
ORDER BY schema_name, table_name, id
