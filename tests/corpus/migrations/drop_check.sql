ALTER TABLE orders DROP CONSTRAINT orders_state_check;
