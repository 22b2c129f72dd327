BEGIN;
ALTER TABLE orders ADD COLUMN gift_note text;
SELECT count(*) FROM plans;
COMMIT;
