DO $$
BEGIN
    ALTER TABLE products ADD CONSTRAINT stock_positive CHECK (stock >= 0);
EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'stock is dirty';
END $$;
