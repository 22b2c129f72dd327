BEGIN;
SET LOCAL lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN hint text;
CREATE INDEX CONCURRENTLY orders_hint_idx ON orders (hint);
COMMIT;
