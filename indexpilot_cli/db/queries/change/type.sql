WITH RECURSIVE chain AS (
    SELECT t.oid, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull, t.typname
    FROM pg_catalog.pg_type t
    WHERE t.oid = %(oid)s::oid
    UNION ALL
    SELECT b.oid, b.typtype, b.typbasetype, coalesce(nullif(c.typtypmod, -1), b.typtypmod), b.typnotnull, b.typname
    FROM chain c
    JOIN pg_catalog.pg_type b ON b.oid = c.typbasetype
    WHERE c.typtype = 'd'
)
SELECT t.oid::int8 AS oid,
       t.typname::text AS name,
       t.typtype::text AS kind,
       t.typcategory::text AS category,
       b.oid::int8 AS base_oid,
       b.typname::text AS base_name,
       pg_catalog.format_type(b.oid, b.typtypmod) AS base_text,
       EXISTS (
           SELECT FROM chain d
           WHERE d.typtype = 'd'
               AND (d.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.contypid = d.oid))
       ) AS is_constrained,
       t.typelem::int8 AS element,
       t.typlen AS length
FROM pg_catalog.pg_type t
LEFT JOIN chain b ON b.typtype <> 'd' AND t.typtype = 'd'
WHERE t.oid = %(oid)s::oid
