ALTER TABLE order_items ALTER COLUMN product_id TYPE bigint;
