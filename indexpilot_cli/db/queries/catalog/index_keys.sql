SELECT i.indexrelid::int8 AS oid,
       k.n AS number,
       a.attname::text AS "column",
       CASE WHEN i.indkey[k.n - 1] = 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, k.n, false) END AS expression,
       x.attname::text AS stored_name,
       CASE WHEN NOT o.opcdefault
            THEN CASE WHEN pg_catalog.pg_opclass_is_visible(o.oid) THEN o.opcname::text
                      ELSE os.nspname || '.' || o.opcname END END AS operator_class,
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
LEFT JOIN pg_catalog.pg_namespace os ON os.oid = o.opcnamespace
LEFT JOIN pg_catalog.pg_collation l ON k.n <= i.indnkeyatts AND l.oid = i.indcollation[k.n - 1]
LEFT JOIN pg_catalog.pg_namespace ls ON ls.oid = l.collnamespace
WHERE i.indrelid = ANY (%(oids)s::oid[])
ORDER BY i.indexrelid, k.n
