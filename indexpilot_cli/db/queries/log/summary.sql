SELECT mutation_type, count(*) AS count, count(*) FILTER (WHERE state = 'FAILED') AS failed,
       min(created_at) AS first, max(created_at) AS last
FROM {schema}.mutation_log
WHERE (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s)
  AND mutation_type = ANY (%(types)s)
  AND (%(table_name)s::text IS NULL OR table_name = %(table_name)s)
  AND (%(schema_name)s::text IS NULL OR schema_name = %(schema_name)s)
  AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
GROUP BY mutation_type
ORDER BY count(*) DESC, mutation_type
