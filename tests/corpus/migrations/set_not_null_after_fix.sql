UPDATE orders SET discount = 0 WHERE discount IS NULL;
ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
