ALTER TABLE order_items ALTER COLUMN qty TYPE bigint;
