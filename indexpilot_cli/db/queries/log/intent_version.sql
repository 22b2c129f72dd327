WITH old AS (
    UPDATE {schema}.index_versions SET is_current = false
    WHERE schema_name = %(schema_name)s AND index_name = %(index_name)s AND is_current
    RETURNING version
)
INSERT INTO {schema}.index_versions (schema_name, table_name, index_name, version, definition_sql, undo_sql, op_id)
SELECT %(schema_name)s, %(table_name)s, %(index_name)s, 1 + coalesce(max(v.version), 0), %(definition_sql)s,
       %(undo_sql)s, %(op_id)s::uuid
FROM {schema}.index_versions v
WHERE v.schema_name = %(schema_name)s AND v.index_name = %(index_name)s
  AND (SELECT count(*) FROM old) >= 0
