-- A value can be compared when every type it is made of can: record_eq and array_eq fail while they run where one has
-- no default B-tree or hash operator class (typcache.c, TYPECACHE_EQ_OPR).
WITH RECURSIVE field AS (
    SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s::text AND c.relname = %(table)s::text AND a.attname = %(field)s::text
      AND a.attnum > 0 AND NOT a.attisdropped
), base (type) AS (
    SELECT atttypid FROM field
    UNION
    SELECT t.typbasetype FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type WHERE t.typtype = 'd'
), made_of (type) AS (
    SELECT type FROM base
    UNION
    SELECT within.type
    FROM made_of
    JOIN pg_catalog.pg_type t ON t.oid = made_of.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL
        SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
        UNION ALL
        SELECT a.atttypid
        FROM pg_catalog.pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS within (type)
), parts (types) AS (
    -- As an array: by the planner's guess at a recursive query's rows this one is dear enough to compile it (jit).
    SELECT array_agg(type) FROM made_of
), methods AS (
    SELECT t.oid, array_agg(m.amname) AS names
    FROM parts
    JOIN pg_catalog.pg_type t ON t.oid = ANY (parts.types)
    LEFT JOIN pg_catalog.pg_opclass o ON o.opcdefault AND (
        o.opcintype = t.oid
        OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid AND k.casttarget = o.opcintype
                   AND k.castmethod = 'b' AND k.castcontext = 'i'))
    LEFT JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
    WHERE t.typtype = 'b' AND NOT (t.typcategory = 'A' AND t.typelem <> 0)
    GROUP BY t.oid
)
SELECT f.attrelid::int8 AS relation,
       pg_catalog.format_type(f.atttypid, f.atttypmod) AS type,
       n.nspname::text AS type_schema,
       t.typname::text AS type_name,
       t.typcategory::text AS category,
       NOT EXISTS (SELECT FROM methods WHERE NOT coalesce(names && '{btree,hash}'::name[], false)) AS comparable,
       NOT EXISTS (SELECT FROM methods WHERE NOT coalesce(names && '{btree}'::name[], false)) AS ordered,
       ARRAY(
           SELECT DISTINCT m.amname::text
           FROM pg_catalog.pg_opclass o
           JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
           JOIN pg_catalog.pg_type i ON i.oid = o.opcintype
           WHERE i.oid = t.oid
              OR i.typname = CASE t.typtype WHEN 'e' THEN 'anyenum' WHEN 'r' THEN 'anyrange' WHEN 'c' THEN 'record'
                                            WHEN 'm' THEN 'anymultirange' END
              OR i.typname = 'anyarray' AND t.typcategory = 'A'
              OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid AND k.casttarget = i.oid
                         AND k.castmethod = 'b' AND k.castcontext = 'i')
       ) AS methods
FROM field f
JOIN base ON true
JOIN pg_catalog.pg_type t ON t.oid = base.type AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
