WITH RECURSIVE base (domain, type) AS (
    SELECT t.oid, t.typbasetype FROM pg_catalog.pg_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT base.domain, t.typbasetype
    FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type
    WHERE t.typtype = 'd'
), under AS (
    SELECT base.domain, base.type
    FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type
    WHERE t.typtype <> 'd'
)
SELECT a.attrelid::int8 AS relation,
       a.attnum AS number,
       a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       t.typname::text AS base_type,
       t.typcategory::text AS category,
       a.attnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' AS has_default,
       a.attgenerated::text AS generated,
       CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
            THEN CASE WHEN pg_catalog.pg_collation_is_visible(l.oid) THEN l.collname::text
                      ELSE ln.nspname || '.' || l.collname END END AS collation,
       coalesce(l.collisdeterministic, true) AS deterministic,
       CASE WHEN t.typcategory = 'A' AND t.typelem <> 0
            THEN pg_catalog.format_type(t.typelem, NULL) END AS element_type,
       a.attlen AS length,
       a.attalign::text AS alignment
FROM pg_catalog.pg_attribute a
LEFT JOIN under ON under.domain = a.atttypid
JOIN pg_catalog.pg_type t ON t.oid = coalesce(under.type, a.atttypid)
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
