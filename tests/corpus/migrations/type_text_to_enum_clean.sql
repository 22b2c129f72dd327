CREATE TYPE order_state AS ENUM ('open', 'done', 'returned', 'lost');
ALTER TABLE orders DROP CONSTRAINT orders_state_check;
DROP VIEW open_orders;
DROP INDEX orders_open_idx;
ALTER TABLE orders ALTER COLUMN state TYPE order_state USING state::order_state;
