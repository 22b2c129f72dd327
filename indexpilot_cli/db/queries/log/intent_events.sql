SELECT m.id, m.created_at, m.mutation_type, m.state, m.op_id::text AS op_id, m.attempt, m.actor, m.relid::int8 AS relid,
       m.columns_fingerprint, m.schema_name, m.table_name, m.field_name, m.index_name, m.definition_sql, m.undo_sql,
       m.backend_pid, m.backend_start, m.sqlstate, m.error, m.leftover, m.details_json AS details
FROM {schema}.mutation_log m
WHERE m.op_id IS NOT NULL AND m.index_name IS NOT NULL AND m.state = ANY (%(states)s)
  AND (%(op_ids)s::uuid[] IS NULL OR m.op_id = ANY (%(op_ids)s::uuid[]))
  AND (%(ids)s::bigint[] IS NULL OR m.op_id IN (
      SELECT k.op_id FROM {schema}.mutation_log k WHERE k.id = ANY (%(ids)s::bigint[])))
  AND (%(plan)s::text IS NULL OR m.details_json ->> 'plan' = %(plan)s)
  AND (%(since)s::timestamptz IS NULL OR m.created_at >= %(since)s)
  AND (NOT %(last)s OR m.id = (
      SELECT max(newest.id) FROM {schema}.mutation_log newest WHERE newest.op_id = m.op_id
        AND newest.index_name IS NOT NULL AND newest.state = ANY (%(states)s)))
ORDER BY m.id
