SELECT g.name AS relation,
       k.n AS number,
       i.indrelid::regclass::text AS "table",
       pg_get_indexdef(i.indexrelid, k.n, false) AS expression,
       i.indcollation[k.n - 1]::bigint AS collation
FROM unnest(%(relations)s::text[]) AS g (name)
JOIN pg_index i ON i.indexrelid = to_regclass(g.name)
CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k (n)
JOIN pg_opclass o ON o.oid = i.indclass[k.n - 1]
WHERE i.indkey[k.n - 1] = 0 AND o.opckeytype <> 0
ORDER BY 1, 2
