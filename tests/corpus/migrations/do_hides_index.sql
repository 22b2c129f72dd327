DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_indexes WHERE indexname = 'orders_code_idx') THEN
        CREATE INDEX orders_code_idx ON orders (code);
    END IF;
END $$;
