SELECT min(schema_name) AS schema_name, min(table_name) AS table_name, min(created_at) AS at
FROM {schema}.mutation_log
WHERE mutation_type IN ('CREATE_INDEX', 'INDEX_CREATION_FAILED')
  AND created_at >= %(since)s
  AND (op_id IS NOT NULL OR index_name IS NOT NULL OR state IS NULL OR state NOT IN ('DONE', 'FAILED', 'INTERRUPTED'))
  AND NOT (op_id IS NOT NULL AND op_id = ANY (%(except_ops)s::uuid[]))
GROUP BY coalesce(op_id::text, id::text)
ORDER BY min(created_at)
