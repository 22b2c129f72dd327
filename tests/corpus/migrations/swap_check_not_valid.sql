ALTER TABLE orders DROP CONSTRAINT orders_state_check, ADD CONSTRAINT orders_state_check CHECK (state IN ('open', 'done', 'returned', 'lost', 'held')) NOT VALID;
