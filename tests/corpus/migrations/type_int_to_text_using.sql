ALTER TABLE orders ALTER COLUMN rating TYPE text USING rating::text;
