ALTER TABLE orders RENAME COLUMN placed_at TO ordered_at;
