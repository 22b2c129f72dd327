SELECT schema_name, table_name, field_name, relid::bigint AS relid, attnum
FROM {schema}.genome_identity
