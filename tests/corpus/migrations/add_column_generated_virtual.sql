ALTER TABLE orders ADD COLUMN net numeric GENERATED ALWAYS AS (total - coalesce(discount, 0)) VIRTUAL;
