CREATE PROCEDURE rebuild() LANGUAGE plpgsql AS $$
BEGIN
    CREATE INDEX orders_code_idx ON orders (code);
    ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
END $$;
