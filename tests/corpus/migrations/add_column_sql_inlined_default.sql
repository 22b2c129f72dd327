ALTER TABLE orders ADD COLUMN pair integer DEFAULT twice(4);
