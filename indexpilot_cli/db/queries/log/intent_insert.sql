INSERT INTO {schema}.mutation_log (
    mutation_type, schema_name, table_name, field_name, details_json, op_id, attempt, state, actor, relid,
    columns_fingerprint, index_name, definition_sql, undo_sql, backend_pid, backend_start, sqlstate, error, leftover
) VALUES (
    %(mutation_type)s, %(schema_name)s, %(table_name)s, %(field_name)s, %(details)s, %(op_id)s::uuid, %(attempt)s, %(state)s,
    %(actor)s, %(relid)s::oid, %(columns_fingerprint)s, %(index_name)s, %(definition_sql)s, %(undo_sql)s,
    %(backend_pid)s, %(backend_start)s, %(sqlstate)s, %(error)s, %(leftover)s
)
RETURNING id, created_at
