SELECT count(*) FROM (
    SELECT (g::int8 * 7919) % 1000003 AS v FROM generate_series(1, 100000) AS g ORDER BY 1 OFFSET 0
) s
