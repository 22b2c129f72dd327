SELECT id, tenant_id, mutation_type, schema_name, table_name, field_name, details_json AS details, created_at,
       op_id::text AS op_id, state, actor, index_name, definition_sql, undo_sql, sqlstate, error
FROM {schema}.mutation_log
WHERE (%(id)s::bigint IS NULL OR id = %(id)s)
  AND (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s)
  AND mutation_type = ANY (%(types)s)
  AND (%(table_name)s::text IS NULL OR table_name = %(table_name)s)
  AND (%(schema_name)s::text IS NULL OR schema_name = %(schema_name)s)
  AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
ORDER BY id DESC
LIMIT %(limit)s
