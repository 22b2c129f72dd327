WITH RECURSIVE tree (root, member) AS (
    SELECT c.oid, c.oid FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%'
    UNION ALL
    SELECT tree.root, h.inhrelid FROM tree JOIN pg_inherits h ON h.inhparent = tree.member
)
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       c.oid::bigint AS oid,
       array_agg(tree.member::bigint) AS members,
       (SELECT count(*) FROM pg_inherits h WHERE h.inhrelid = c.oid)::int AS parents
FROM tree
JOIN pg_class c ON c.oid = tree.root
JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname, c.oid
