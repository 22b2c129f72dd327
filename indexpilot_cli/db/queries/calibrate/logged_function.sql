CREATE FUNCTION {schema}.log_pages(number bigint) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE page text := pg_catalog.repeat('x', 8000);
BEGIN
    FOR n IN 1 .. number LOOP
        PERFORM pg_catalog.pg_logical_emit_message(false, 'indexpilot', page);
    END LOOP;
END
$body$
