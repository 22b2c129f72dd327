CREATE FUNCTION {schema}.{function}(first bigint, number bigint, total bigint) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    FOR n IN first .. first + number - 1 LOOP
        UPDATE {schema}.{table} SET few = (few + 1) % 40 WHERE id = 1 + n::bigint * 7919 % total;
    END LOOP;
END
$body$
