SELECT m.id, m.op_id::text AS op_id, m.state, m.schema_name, m.table_name, m.field_name, m.details_json AS details,
       m.created_at
FROM {schema}.mutation_log m
WHERE m.mutation_type = 'ALTER_COLUMN' AND m.op_id IS NOT NULL AND m.details_json ->> 'kind' = 'shadow_type_change'
  AND (%(op_id)s::uuid IS NULL OR m.op_id = %(op_id)s::uuid)
  AND (%(table_name)s::text IS NULL OR (m.schema_name, m.table_name, m.field_name)
       = (%(schema_name)s::text, %(table_name)s::text, %(field_name)s::text))
ORDER BY m.id
