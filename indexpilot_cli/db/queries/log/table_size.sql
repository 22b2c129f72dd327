WITH found AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = %(table_name)s AND c.relkind IN ('r', 'p', 'm')
      AND n.nspname = ANY (CASE WHEN %(schema_name)s::text IS NULL THEN current_schemas(false) ELSE ARRAY[%(schema_name)s] END)
    ORDER BY array_position(current_schemas(false), n.nspname)
    LIMIT 1
), leaves AS (
    SELECT f.nspname, f.relname, c.oid, c.reltuples
    FROM found AS f
    CROSS JOIN LATERAL (
        SELECT f.oid AS relid WHERE f.relkind <> 'p'
        UNION ALL
        SELECT p.relid FROM pg_partition_tree(f.oid) AS p WHERE f.relkind = 'p' AND p.isleaf
    ) AS part
    JOIN pg_class AS c ON c.oid = part.relid
)
SELECT f.nspname AS schema_name, f.relname AS table_name,
       sum(l.reltuples) FILTER (WHERE l.reltuples >= 0)::bigint AS row_count,
       coalesce(sum(pg_table_size(l.oid)), 0)::bigint AS table_bytes,
       coalesce(sum(pg_indexes_size(l.oid)), 0)::bigint AS index_bytes
FROM found AS f LEFT JOIN leaves AS l ON true
GROUP BY f.nspname, f.relname
