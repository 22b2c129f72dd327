SELECT t.oid::int8 AS oid,
       t.typname::text AS name,
       t.typtype::text AS kind,
       t.typcategory::text AS category,
       b.typname::text AS base_name,
       EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.contypid = t.oid)
           OR t.typnotnull OR b.typtype = 'd' AS is_constrained,
       t.typtypmod <> -1 AS is_limited,
       t.typelem::int8 AS element,
       t.typlen AS length
FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE t.oid = %(oid)s::oid
