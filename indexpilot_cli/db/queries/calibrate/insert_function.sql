CREATE FUNCTION {schema}.{function}(first bigint, number bigint, total bigint) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    FOR n IN first .. first + number - 1 LOOP
        INSERT INTO {schema}.{table} VALUES (
            n, n, (n::bigint * 7919 % 1000003)::int, (n * 31 % 40)::int, pg_catalog.md5(n::text)::uuid,
            'user' || (n::bigint * 7919 % 1000003) || '@example.org', ARRAY[n % 300, n * 7 % 300, n * 13 % 300]::int[],
            timestamptz '2024-01-01 00:00+00' + n * interval '1 minute',
            pg_catalog.point((n::bigint * 7919 % 10007)::float8, (n::bigint * 104729 % 10009)::float8), 'a note');
    END LOOP;
END
$body$
