ALTER TABLE orders ADD COLUMN ticket text UNIQUE;
