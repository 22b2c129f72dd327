DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_indexes WHERE indexname = 'orders_placed_idx') THEN
        CREATE INDEX orders_placed_idx ON orders (placed_at);
    END IF;
END $$;
