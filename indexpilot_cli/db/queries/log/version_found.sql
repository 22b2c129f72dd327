INSERT INTO {schema}.index_versions (schema_name, table_name, index_name, version, definition_sql)
SELECT n.nspname, t.relname, c.relname,
       1 + coalesce((SELECT max(v.version) FROM {schema}.index_versions v
                     WHERE v.schema_name = n.nspname AND v.index_name = c.relname), 0),
       pg_catalog.pg_get_indexdef(c.oid)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = %(relid)s::oid AND c.relname = ANY (%(names)s::text[])
  AND NOT EXISTS (SELECT FROM {schema}.index_versions v
                  WHERE v.schema_name = n.nspname AND v.index_name = c.relname AND v.is_current)
