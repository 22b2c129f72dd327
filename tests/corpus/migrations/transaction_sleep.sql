BEGIN;
ALTER TABLE orders ADD COLUMN gift_note text;
SELECT pg_sleep(2);
COMMIT;
