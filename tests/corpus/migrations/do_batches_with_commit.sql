DO $$
DECLARE
    last bigint := 0;
BEGIN
    WHILE last < 40000 LOOP
        UPDATE accounts SET balance = balance + 1 WHERE id > last AND id <= last + 10000;
        last := last + 10000;
        COMMIT;
    END LOOP;
END $$;
