ALTER TABLE orders ADD COLUMN boxes integer NOT NULL DEFAULT 'many';
