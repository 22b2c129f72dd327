SELECT a.attnum <= i.indnkeyatts AS is_key,
       a.attlen AS length,
       a.attalign::text AS alignment,
       pg_catalog.pg_get_indexdef(i.indexrelid, a.attnum, false) AS expression,
       i.indkey[a.attnum - 1] = 0 AS computed,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       -- Whoever owns the table chose them, and would have them run with our rights; the server's own are not recorded.
       EXISTS (SELECT FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)) AS calls
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum > 0
WHERE i.indexrelid = %(index)s::oid
ORDER BY a.attnum
