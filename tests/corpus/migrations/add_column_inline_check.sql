ALTER TABLE orders ADD COLUMN boxes integer CHECK (boxes >= 0);
