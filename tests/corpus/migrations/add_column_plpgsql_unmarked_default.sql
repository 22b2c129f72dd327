ALTER TABLE orders ADD COLUMN tag text DEFAULT next_tag();
