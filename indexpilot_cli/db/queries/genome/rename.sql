WITH profiles AS (
    UPDATE {schema}.expression_profile
    SET schema_name = %(new_schema)s, table_name = %(new_table)s, field_name = %(new_field)s
    WHERE schema_name = %(schema_name)s AND table_name = %(table_name)s AND field_name = %(field_name)s
), identities AS (
    DELETE FROM {schema}.genome_identity
    WHERE schema_name = %(schema_name)s AND table_name = %(table_name)s AND field_name = %(field_name)s
)
UPDATE {schema}.genome_catalog
SET schema_name = %(new_schema)s, table_name = %(new_table)s, field_name = %(new_field)s
WHERE schema_name = %(schema_name)s AND table_name = %(table_name)s AND field_name = %(field_name)s
