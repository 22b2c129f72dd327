ALTER TABLE orders ALTER COLUMN rating TYPE boolean;
