WITH RECURSIVE tree (root, member) AS (
    SELECT i.indexrelid, i.indexrelid
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%%'
      AND (%(roots)s::text[] IS NULL OR i.indexrelid = ANY (%(roots)s::text[]::regclass[]))
    UNION ALL
    SELECT tree.root, h.inhrelid
    FROM tree
    JOIN pg_inherits h ON h.inhparent = tree.member
)
SELECT rn.nspname::text AS root_schema,
       r.relname::text AS root_name,
       c.oid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       i.indrelid::bigint AS table_oid
FROM tree
JOIN pg_class r ON r.oid = tree.root
JOIN pg_namespace rn ON rn.oid = r.relnamespace
JOIN pg_class c ON c.oid = tree.member
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index i ON i.indexrelid = c.oid
ORDER BY 1, 2, 3
