ALTER TABLE orders ALTER COLUMN discount TYPE numeric(5, 2);
