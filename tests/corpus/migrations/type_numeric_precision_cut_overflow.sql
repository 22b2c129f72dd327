ALTER TABLE products ALTER COLUMN weight TYPE numeric(3, 2);
