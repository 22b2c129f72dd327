BEGIN;
SELECT count(*) FROM orders;
ALTER TABLE orders ADD COLUMN gift_note text;
COMMIT;
