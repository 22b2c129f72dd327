-- In steps, and what is one value as a question of its own: the joins of all that at once took the server ten times as
-- long to plan as to run.
WITH keys AS MATERIALIZED (
    SELECT i.indexrelid,
           x.attnum::int AS n,
           i.indkey[x.attnum - 1] = 0 AS computed,
           i.indoption[x.attnum - 1] AS flags,
           CASE WHEN x.attnum <= i.indnkeyatts THEN i.indclass[x.attnum - 1] END AS class,
           CASE WHEN x.attnum <= i.indnkeyatts THEN i.indcollation[x.attnum - 1] END AS collation,
           x.attname AS stored_name,
           -- siglen of a signature, false_positive_rate of a Bloom filter: from version 13 on.
           x.attoptions AS parameters,
           a.attname AS "column",
           a.attcollation AS own_collation,
           x.atttypid AS stored_type,
           coalesce(a.atttypid, x.atttypid) AS type
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute x ON x.attrelid = i.indexrelid AND x.attnum > 0
    LEFT JOIN LATERAL (SELECT a.attname, a.attcollation, a.atttypid FROM pg_catalog.pg_attribute a
                       WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[x.attnum - 1] AND a.attnum <> 0
                       OFFSET 0) AS a ON true
    WHERE i.indrelid = ANY (%(oids)s::oid[]) AND (%(indexes)s::oid[] IS NULL OR i.indexrelid = ANY (%(indexes)s::oid[]))
), classes AS MATERIALIZED (
    -- Of a type without a class of its own the preferred one is the default, not every default of a type it can be
    -- taken for (bpchar_ops of a varchar column); a second name of the default is the default (varchar_ops).
    SELECT used.class, used.type,
           CASE WHEN CASE WHEN o.opcdefault
                          THEN o.opcintype IN (y.oid, y.typbasetype)
                               OR NOT EXISTS (SELECT FROM pg_catalog.pg_opclass own
                                              WHERE own.opcdefault AND own.opcmethod = o.opcmethod
                                                AND own.opcintype = coalesce(nullif(y.typbasetype, 0), y.oid))
                              AND ((SELECT t.typispreferred FROM pg_catalog.pg_type t WHERE t.oid = o.opcintype)
                                   OR NOT EXISTS (SELECT FROM pg_catalog.pg_opclass d
                                                  JOIN pg_catalog.pg_type p ON p.oid = d.opcintype
                                                  WHERE d.opcdefault AND d.opcmethod = o.opcmethod
                                                    AND p.typispreferred AND p.typcategory = y.typcategory))
                          ELSE EXISTS (SELECT FROM pg_catalog.pg_opclass same
                                       WHERE same.opcdefault AND same.opcmethod = o.opcmethod
                                         AND (same.opcfamily, same.opcintype, same.opckeytype)
                                             = (o.opcfamily, o.opcintype, o.opckeytype)) END
                THEN NULL
                WHEN pg_catalog.pg_opclass_is_visible(o.oid) THEN o.opcname::text
                ELSE (SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid = o.opcnamespace) || '.' || o.opcname
           END AS name
    FROM (SELECT DISTINCT k.class, k.type FROM keys k) AS used
    JOIN pg_catalog.pg_opclass o ON o.oid = used.class
    JOIN pg_catalog.pg_type y ON y.oid = used.type
)
SELECT k.indexrelid::int8 AS oid,
       k.n AS number,
       k."column"::text AS "column",
       CASE WHEN k.computed THEN pg_catalog.pg_get_indexdef(k.indexrelid, k.n, false) END AS expression,
       k.stored_name::text AS stored_name,
       c.name AS operator_class,
       k.parameters::text[] AS parameters,
       -- An expression has no collation on record. What is stored of it may be of another type (trigrams: int4), so that
       -- of the type its class takes counts too.
       CASE WHEN CASE WHEN k.own_collation IS NOT NULL THEN k.collation <> k.own_collation
                      ELSE k.collation NOT IN (SELECT t.typcollation FROM pg_catalog.pg_type t
                                               WHERE t.oid = k.stored_type
                                                  OR t.oid = (SELECT o.opcintype FROM pg_catalog.pg_opclass o
                                                              WHERE o.oid = k.class)) END
            THEN (SELECT CASE WHEN pg_catalog.pg_collation_is_visible(l.oid) THEN l.collname::text
                              ELSE n.nspname || '.' || l.collname END
                  FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
                  WHERE l.oid = k.collation) END AS collation,
       coalesce(k.flags & 1, 0) = 1 AS descending,
       coalesce(k.flags & 2, 0) = 2 AS nulls_first
FROM keys k
LEFT JOIN classes c ON c.class = k.class AND c.type = k.type
ORDER BY k.indexrelid, k.n
