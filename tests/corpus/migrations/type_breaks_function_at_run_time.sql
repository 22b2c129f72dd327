ALTER TABLE order_items ALTER COLUMN unit_price TYPE text USING unit_price::text;
