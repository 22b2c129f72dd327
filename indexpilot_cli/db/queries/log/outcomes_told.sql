SELECT m.id, m.created_at, m.schema_name, m.table_name, m.field_name,
       m.details_json ->> 'improvement_pct' AS improvement
FROM {schema}.mutation_log m
WHERE m.op_id IS NULL AND m.mutation_type = ANY (%(types)s)
  AND m.table_name IS NOT NULL AND m.field_name IS NOT NULL
  AND m.details_json ->> 'improvement_pct' ~ '^-?[0-9]+([.][0-9]+)?$'
ORDER BY m.id DESC
LIMIT %(most)s
