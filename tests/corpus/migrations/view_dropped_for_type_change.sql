BEGIN;
DROP VIEW open_orders;
ALTER TABLE orders ALTER COLUMN placed_at TYPE timestamp(6);
CREATE VIEW open_orders AS SELECT id, account_id, total, placed_at FROM orders WHERE state = 'open';
COMMIT;
