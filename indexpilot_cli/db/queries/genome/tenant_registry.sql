SELECT n.nspname AS schema_name, c.relname AS table_name, a.attname AS field_name
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = %(field_name)s AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relname = %(table_name)s AND c.relkind IN ('r', 'p', 'v', 'm') AND t.typname IN ('int2', 'int4', 'int8')
  AND n.nspname = ANY (CASE WHEN %(schema_name)s::text IS NULL THEN current_schemas(false) ELSE ARRAY[%(schema_name)s] END)
ORDER BY array_position(current_schemas(false), n.nspname)
LIMIT 1
