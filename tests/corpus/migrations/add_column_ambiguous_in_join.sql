ALTER TABLE orders ADD COLUMN qty integer;
ALTER TABLE orders ADD COLUMN name text;
