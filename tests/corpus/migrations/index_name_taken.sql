CREATE INDEX orders_placed_idx ON orders (shipped_at);
