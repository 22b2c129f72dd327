WITH RECURSIVE below (relid, level) AS (
    SELECT h.inhrelid, 1 FROM pg_catalog.pg_inherits h WHERE h.inhparent = %(relid)s::oid
    UNION
    SELECT h.inhrelid, below.level + 1
    FROM below JOIN pg_catalog.pg_inherits h ON h.inhparent = below.relid
)
SELECT n.nspname::text AS schema, c.relname::text AS name, min(below.level)::int AS level
FROM below
JOIN pg_catalog.pg_class c ON c.oid = below.relid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
GROUP BY n.nspname, c.relname
ORDER BY min(below.level), n.nspname, c.relname
