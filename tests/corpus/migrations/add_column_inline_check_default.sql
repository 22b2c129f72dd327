ALTER TABLE orders ADD COLUMN boxes integer NOT NULL DEFAULT 1 CHECK (boxes >= 0);
