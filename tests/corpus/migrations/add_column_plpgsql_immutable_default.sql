ALTER TABLE orders ADD COLUMN tag text DEFAULT steady_tag();
