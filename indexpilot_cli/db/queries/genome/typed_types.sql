WITH RECURSIVE wanted AS (
    SELECT unnest(%(types)s::bigint[])::oid AS oid
    UNION
    SELECT next.oid
    FROM wanted AS w JOIN pg_type AS t ON t.oid = w.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid
        UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
        UNION ALL SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid
        UNION ALL
        SELECT a.atttypid FROM pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS next
    WHERE next.oid <> 0
)
SELECT t.oid::bigint AS oid, n.nspname AS schema_name, t.typname AS name, t.typtype::text AS kind,
       t.typcategory::text AS category, t.typbasetype::bigint AS base, t.typnotnull AS not_null,
       CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END::bigint AS element,
       coalesce((SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid), 0)::bigint AS subtype,
       t.typndims AS dimensions,
       array(SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
       array(
           SELECT jsonb_build_object(
               'name', a.attname, 'type', a.atttypid::bigint, 'dimensions', a.attndims,
               'sql', format_type(a.atttypid, a.atttypmod)
           )
           FROM pg_attribute AS a
           WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
           ORDER BY a.attnum
       ) AS attributes
FROM wanted AS w JOIN pg_type AS t ON t.oid = w.oid JOIN pg_namespace AS n ON n.oid = t.typnamespace
ORDER BY n.nspname COLLATE "C", t.typname COLLATE "C"
