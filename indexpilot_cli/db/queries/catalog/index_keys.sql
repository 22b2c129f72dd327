SELECT i.indexrelid::int8 AS oid,
       k.n AS number,
       a.attname::text AS "column",
       CASE WHEN i.indkey[k.n - 1] = 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, k.n, false) END AS expression,
       x.attname::text AS stored_name,
       -- Of a type without a class of its own the preferred one is the default, not every default of a type it can be
       -- taken for (bpchar_ops of a varchar column); a second name of the default is the default (varchar_ops).
       CASE WHEN CASE WHEN o.opcdefault
                      THEN o.opcintype IN (y.oid, y.typbasetype)
                           OR own.opcmethod IS NULL AND (taken.typispreferred OR preferred.opcmethod IS NULL)
                      ELSE same.oid IS NOT NULL END
            THEN NULL
            WHEN pg_catalog.pg_opclass_is_visible(o.oid) THEN o.opcname::text
            ELSE os.nspname || '.' || o.opcname END AS operator_class,
       -- siglen of a signature, false_positive_rate of a Bloom filter: from version 13 on.
       x.attoptions::text[] AS parameters,
       CASE WHEN l.oid <> coalesce(a.attcollation, t.typcollation)
            THEN CASE WHEN pg_catalog.pg_collation_is_visible(l.oid) THEN l.collname::text
                      ELSE ls.nspname || '.' || l.collname END END AS collation,
       coalesce(i.indoption[k.n - 1] & 1, 0) = 1 AS descending,
       coalesce(i.indoption[k.n - 1] & 2, 0) = 2 AS nulls_first
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.generate_series(1, i.indnatts) AS k (n)
JOIN pg_catalog.pg_attribute x ON x.attrelid = i.indexrelid AND x.attnum = k.n
JOIN pg_catalog.pg_type t ON t.oid = x.atttypid
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n - 1] AND a.attnum <> 0
LEFT JOIN pg_catalog.pg_opclass o ON k.n <= i.indnkeyatts AND o.oid = i.indclass[k.n - 1]
LEFT JOIN pg_catalog.pg_type y ON y.oid = coalesce(a.atttypid, x.atttypid)
LEFT JOIN pg_catalog.pg_type taken ON taken.oid = o.opcintype
LEFT JOIN pg_catalog.pg_opclass own ON own.opcdefault AND own.opcmethod = o.opcmethod
     AND own.opcintype = coalesce(nullif(y.typbasetype, 0), y.oid)
LEFT JOIN (SELECT DISTINCT d.opcmethod, p.typcategory
           FROM pg_catalog.pg_opclass d JOIN pg_catalog.pg_type p ON p.oid = d.opcintype
           WHERE d.opcdefault AND p.typispreferred) AS preferred
     ON preferred.opcmethod = o.opcmethod AND preferred.typcategory = y.typcategory
LEFT JOIN pg_catalog.pg_opclass same ON same.opcdefault AND same.opcmethod = o.opcmethod
     AND (same.opcfamily, same.opcintype, same.opckeytype) = (o.opcfamily, o.opcintype, o.opckeytype)
LEFT JOIN pg_catalog.pg_namespace os ON os.oid = o.opcnamespace
LEFT JOIN pg_catalog.pg_collation l ON k.n <= i.indnkeyatts AND l.oid = i.indcollation[k.n - 1]
LEFT JOIN pg_catalog.pg_namespace ls ON ls.oid = l.collnamespace
WHERE i.indrelid = ANY (%(oids)s::oid[])
ORDER BY i.indexrelid, k.n
