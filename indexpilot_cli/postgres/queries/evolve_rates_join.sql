SELECT count(*)
FROM generate_series(1, 100000) AS a (v)
JOIN generate_series(1, 100000) AS b (v) ON b.v = a.v
