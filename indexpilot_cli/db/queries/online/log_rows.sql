SELECT m.id, m.op_id::text AS op_id, m.state, m.schema_name, m.table_name, m.field_name, m.details_json AS details,
       m.created_at
FROM {schema}.mutation_log m
WHERE m.mutation_type = 'ALTER_COLUMN' AND m.op_id IS NOT NULL AND m.details_json ->> 'kind' = 'shadow_type_change'
  AND (%(field_name)s::text IS NULL OR m.field_name = %(field_name)s::text)
ORDER BY m.id
