ALTER TABLE orders ADD COLUMN mark text DEFAULT upper('x');
