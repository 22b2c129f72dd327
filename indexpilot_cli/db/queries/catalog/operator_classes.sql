SELECT am.amname::text AS method,
       c.opcname::text AS name,
       t.typname::text AS type,
       c.opcdefault AS is_default,
       coalesce(array_agg(DISTINCT o.oprname::text) FILTER (WHERE a.amoppurpose = 's'), '{}') AS searches,
       coalesce(array_agg(DISTINCT o.oprname::text) FILTER (WHERE a.amoppurpose = 'o'), '{}') AS orders
FROM pg_catalog.pg_opclass c
JOIN pg_catalog.pg_am am ON am.oid = c.opcmethod
JOIN pg_catalog.pg_type t ON t.oid = c.opcintype
JOIN pg_catalog.pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype
JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
WHERE am.amname NOT IN ('btree', 'hash', 'brin')
GROUP BY am.amname, c.opcname, t.typname, c.opcdefault
ORDER BY am.amname, c.opcname, t.typname
