INSERT INTO {schema}.mutation_log (
    tenant_id, mutation_type, schema_name, table_name, field_name, details_json, op_id, state, actor, index_name,
    definition_sql, undo_sql, sqlstate, error
) VALUES (
    %(tenant_id)s, %(mutation_type)s, %(schema_name)s, %(table_name)s, %(field_name)s, %(details)s, %(op_id)s::uuid,
    %(state)s, %(actor)s, %(index_name)s, %(definition_sql)s, %(undo_sql)s, %(sqlstate)s, %(error)s
)
RETURNING id, created_at
