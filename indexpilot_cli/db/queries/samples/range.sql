-- 291 rows at most fit on a page; addresses without a row give none.
SELECT {start}::bigint AS start, {keys}
FROM ONLY {table}
WHERE ctid = ANY (ARRAY(SELECT pg_catalog.format('(%s,%s)', block, item)::tid
                        FROM pg_catalog.generate_series({start}, {last}) AS block,
                             pg_catalog.generate_series(1, 291) AS item))
