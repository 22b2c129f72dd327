CREATE INDEX IF NOT EXISTS orders_rating_idx ON orders (rating);
