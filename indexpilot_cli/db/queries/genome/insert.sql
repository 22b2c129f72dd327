INSERT INTO {schema}.genome_catalog (
    schema_name, table_name, field_name, field_type, is_required, is_indexable, default_expression, feature_group
)
SELECT *
FROM unnest(
    %(schema_name)s::text[], %(table_name)s::text[], %(field_name)s::text[], %(field_type)s::text[],
    %(is_required)s::boolean[], %(is_indexable)s::boolean[], %(default_expression)s::boolean[],
    %(feature_group)s::text[]
)
ON CONFLICT (table_name, field_name, schema_name) DO NOTHING
