ALTER TABLE order_items DROP COLUMN line_no;
