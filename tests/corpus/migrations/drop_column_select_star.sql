ALTER TABLE products DROP COLUMN added_on;
