SELECT DISTINCT k.schema_name, k.table_name, k.field_name
FROM (SELECT schema_name, table_name, field_name FROM {schema}.genome_catalog
      UNION
      SELECT schema_name, table_name, field_name FROM {schema}.expression_profile) AS k
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = k.schema_name AND c.relname = k.table_name AND a.attname = k.field_name)
ORDER BY 1, 2, 3
