ALTER TABLE order_items ALTER COLUMN order_id TYPE integer;
