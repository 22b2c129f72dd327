BEGIN;
UPDATE accounts SET balance = balance + 1;
ALTER TABLE orders ADD COLUMN gift_note text;
COMMIT;
