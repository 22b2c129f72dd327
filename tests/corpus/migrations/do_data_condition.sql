DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM orders WHERE discount IS NULL) THEN
        UPDATE orders SET discount = 0 WHERE discount IS NULL;
    END IF;
    ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
END $$;
