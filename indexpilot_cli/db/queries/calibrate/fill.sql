INSERT INTO {schema}.{table}
SELECT n, n, (n * 7919 % 1000003)::int, (n * 31 % 40)::int, pg_catalog.md5(n::text)::uuid,
       'user' || (n * 7919 % 1000003) || '@example.org', ARRAY[n % 300, n * 7 % 300, n * 13 % 300]::int[],
       timestamptz '2024-01-01 00:00+00' + n * interval '1 minute',
       pg_catalog.point((n * 7919 % 10007)::float8, (n * 104729 % 10009)::float8), 'a note'
FROM pg_catalog.generate_series(1::bigint, {rows}) n
