BEGIN;
ALTER TABLE orders DROP CONSTRAINT orders_state_check;
ALTER TABLE orders ADD CONSTRAINT orders_state_check CHECK (state IN ('open', 'done', 'returned', 'lost', 'held'));
COMMIT;
