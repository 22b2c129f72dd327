BEGIN;
ALTER TABLE orders ADD COLUMN gift_note text;
CREATE INDEX payments_order_idx ON payments (order_id);
COMMIT;
