ALTER TABLE order_items DROP COLUMN unit_price;
