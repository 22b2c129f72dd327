SELECT n.nspname::text AS schema, t.typname::text AS name, pg_catalog.format_type(t.typbasetype, t.typtypmod) AS type,
       r.expression
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN LATERAL (
    SELECT pg_catalog.pg_get_expr(o.conbin, 0) AS expression
    FROM pg_catalog.pg_constraint o
    WHERE o.contypid = t.oid AND o.contype = 'c'
    UNION ALL
    SELECT 'VALUE IS NOT NULL' WHERE t.typnotnull
) r ON true
WHERE t.typtype = 'd' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY t.oid, r.expression
