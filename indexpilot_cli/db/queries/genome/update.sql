UPDATE {schema}.genome_catalog
SET field_type = coalesce(%(field_type)s, field_type),
    is_required = coalesce(%(is_required)s, is_required),
    is_indexable = coalesce(%(is_indexable)s, is_indexable),
    feature_group = coalesce(%(feature_group)s, feature_group)
WHERE schema_name = %(schema_name)s AND table_name = %(table_name)s AND field_name = %(field_name)s
