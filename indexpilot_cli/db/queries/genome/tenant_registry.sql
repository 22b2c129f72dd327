WITH found AS (
    SELECT c.oid, a.attnum, array_position(current_schemas(false), n.nspname) AS place, 0 AS children
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = %(field_name)s
    WHERE c.relname = %(table_name)s AND c.relkind IN ('r', 'p', 'v', 'm')
      AND n.nspname = ANY (CASE WHEN %(schema_name)s::text IS NULL THEN current_schemas(false) ELSE ARRAY[%(schema_name)s] END)
    UNION ALL
    SELECT k.confrelid, k.confkey[1], NULL, count(*)
    FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND a.attname = 'tenant_id' AND k.conparentid = 0
      AND %(schema_name)s::text IS NULL
    GROUP BY k.confrelid, k.confkey[1]
)
SELECT n.nspname AS schema_name, c.relname AS table_name, a.attname AS field_name
FROM found AS f
JOIN pg_class AS c ON c.oid = f.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = f.attnum AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE t.typname IN ('int2', 'int4', 'int8') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY f.place NULLS LAST, f.children DESC, n.nspname, c.relname
LIMIT 1
