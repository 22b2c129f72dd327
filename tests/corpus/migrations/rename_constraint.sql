ALTER TABLE orders RENAME CONSTRAINT orders_state_check TO orders_state_known;
