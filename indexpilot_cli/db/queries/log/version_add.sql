WITH known AS (
    SELECT FROM {schema}.index_versions v
    WHERE v.schema_name = %(schema_name)s AND v.index_name = %(index_name)s AND v.table_name = %(table_name)s
      AND v.is_current AND v.definition_sql = %(definition_sql)s AND NOT %(anew)s
), old AS (
    UPDATE {schema}.index_versions SET is_current = false
    WHERE schema_name = %(schema_name)s AND index_name = %(index_name)s AND is_current
      AND NOT EXISTS (SELECT FROM known)
    RETURNING version
), line AS (
    SELECT coalesce(v.lineage, v.id) AS id
    FROM {schema}.index_versions v
    WHERE v.schema_name = %(schema_name)s
      AND (coalesce(v.lineage, v.id) = %(lineage)s::bigint OR v.op_id = %(op_id)s::uuid
           OR v.table_name = %(table_name)s AND v.index_name = ANY (%(names)s::text[]))
    ORDER BY coalesce(v.lineage, v.id) IS NOT DISTINCT FROM %(lineage)s::bigint DESC,
             v.op_id IS NOT DISTINCT FROM %(op_id)s::uuid DESC,
             pg_catalog.array_position(%(names)s::text[], v.index_name), v.id DESC
    LIMIT 1
)
INSERT INTO {schema}.index_versions (
    schema_name, table_name, index_name, version, definition_sql, undo_sql, op_id, lineage, is_part)
SELECT %(schema_name)s, %(table_name)s, %(index_name)s, 1 + coalesce(max(v.version), 0), %(definition_sql)s,
       %(undo_sql)s, %(op_id)s::uuid, (SELECT line.id FROM line), %(is_part)s
FROM {schema}.index_versions v
WHERE (v.schema_name = %(schema_name)s AND v.index_name = %(index_name)s
       OR coalesce(v.lineage, v.id) = (SELECT line.id FROM line))
  AND (SELECT count(*) FROM old) >= 0
HAVING NOT EXISTS (SELECT FROM known)
