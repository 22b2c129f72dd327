-- A table that is not partitioned is its own only part.
SELECT p.relname::text AS name, p.oid = c.oid AS whole, b.bound = 'DEFAULT' AS fallback,
       substring(b.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz AS since,
       substring(b.bound FROM 'TO \(''([^'']+)''\)')::timestamptz AS until,
       CASE WHEN p.reltuples >= 0 THEN p.reltuples::bigint END AS rows, pg_total_relation_size(p.oid) AS bytes
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS p ON CASE WHEN c.relkind = 'p' THEN p.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid)
                           ELSE p.oid = c.oid END
CROSS JOIN LATERAL (SELECT coalesce(pg_get_expr(p.relpartbound, p.oid), '') AS bound) AS b
WHERE n.nspname = %(schema)s AND c.relname = 'query_stats'
ORDER BY fallback, since NULLS FIRST
