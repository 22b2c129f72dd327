UPDATE {schema}.genome_identity g SET attnum = a.attnum
FROM pg_catalog.pg_attribute a
WHERE g.schema_name = %(schema_name)s AND g.table_name = %(table_name)s AND g.field_name = %(field_name)s
  AND a.attrelid = %(relid)s::oid AND a.attname = %(field_name)s AND a.attnum <> g.attnum
