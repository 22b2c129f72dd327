-- True arrays only: a point has elements too, and the two vectors are never made of another array.
SELECT pg_catalog.format_type(s.typelem, NULL) AS source, pg_catalog.format_type(t.typelem, NULL) AS target
FROM pg_catalog.pg_type s
CROSS JOIN pg_catalog.pg_type t
WHERE s.oid = %(source)s::oid
    AND t.oid = %(target)s::oid
    AND s.typelem <> 0
    AND t.typelem <> 0
    AND s.typlen = -1
    AND t.typlen = -1
    AND t.typname NOT IN ('int2vector', 'oidvector')
