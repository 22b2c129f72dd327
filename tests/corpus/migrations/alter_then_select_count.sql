BEGIN;
ALTER TABLE orders ADD COLUMN gift_note text;
SELECT count(*) FROM payments WHERE fee = 3;
COMMIT;
