SELECT v.id, coalesce(v.lineage, v.id) AS lineage, v.version, v.schema_name, v.table_name, v.index_name,
       v.definition_sql, v.op_id::text AS op_id, v.is_current, v.created_at, m.number, m.recommendation
FROM {schema}.index_versions v
LEFT JOIN LATERAL (
    SELECT coalesce(max(k.id) FILTER (WHERE k.state = 'VALID'), max(k.id)) AS number,
           max(k.details_json ->> 'recommendation') AS recommendation
    FROM {schema}.mutation_log k WHERE k.op_id = v.op_id AND k.index_name IS NOT NULL
) m ON true
WHERE NOT v.is_part
  AND (%(table)s::text IS NULL OR v.table_name = %(table)s)
  AND (%(table_schema)s::text IS NULL OR v.schema_name = %(table_schema)s)
  AND (%(index)s::text IS NULL AND %(ids)s::uuid[] IS NULL
       OR coalesce(v.lineage, v.id) IN (
           SELECT coalesce(o.lineage, o.id) FROM {schema}.index_versions o
           WHERE o.op_id = ANY (%(ids)s::uuid[])
              OR o.index_name = %(index)s AND (%(index_schema)s::text IS NULL OR o.schema_name = %(index_schema)s)))
ORDER BY max(v.id) OVER (PARTITION BY coalesce(v.lineage, v.id)) DESC, v.version DESC
