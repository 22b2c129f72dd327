BEGIN;
ALTER TABLE orders ADD COLUMN gift_note text;
ALTER TABLE accounts ADD COLUMN gift_note text;
COMMIT;
