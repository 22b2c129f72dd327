ALTER TABLE orders ADD COLUMN email text;
ALTER TABLE products ADD COLUMN product_id integer;
