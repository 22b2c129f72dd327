SET LOCAL lock_timeout = '1s';
ALTER TABLE orders ADD COLUMN gift_note text;
