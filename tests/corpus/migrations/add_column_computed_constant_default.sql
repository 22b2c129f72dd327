ALTER TABLE orders ADD COLUMN answer integer NOT NULL DEFAULT (3 * 4);
