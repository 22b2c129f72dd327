BEGIN;
ALTER TYPE order_status ADD VALUE 'returned';
UPDATE orders SET status = 'returned' WHERE id = 5;
COMMIT;
