ALTER TABLE orders DROP CONSTRAINT orders_colour_check;
