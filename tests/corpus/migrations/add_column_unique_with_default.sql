ALTER TABLE orders ADD COLUMN ticket text DEFAULT 'none' UNIQUE;
