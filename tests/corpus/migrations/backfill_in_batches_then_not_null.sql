DO $$
DECLARE
    first integer := 1;
BEGIN
    WHILE first <= 200000 LOOP
        UPDATE orders SET discount = 0 WHERE discount IS NULL AND id >= first AND id < first + 50000;
        first := first + 50000;
        COMMIT;
    END LOOP;
END $$;
ALTER TABLE orders ADD CONSTRAINT discount_known CHECK (discount IS NOT NULL) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT discount_known;
ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
