DO $$
BEGIN
    BEGIN
        ALTER TABLE orders ADD COLUMN total numeric;
    EXCEPTION WHEN duplicate_column THEN
        RAISE NOTICE 'there already';
    END;
END $$;
