BEGIN;
ALTER TABLE plans ADD COLUMN gift_note text;
UPDATE order_items SET gift = true WHERE gift IS NULL;
COMMIT;
