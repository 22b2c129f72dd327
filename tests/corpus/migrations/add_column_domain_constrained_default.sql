ALTER TABLE orders ADD COLUMN boxes positive_int DEFAULT 1;
