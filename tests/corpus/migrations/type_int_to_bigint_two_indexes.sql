CREATE INDEX CONCURRENTLY orders_rating_idx ON orders (rating);
ALTER TABLE orders ALTER COLUMN rating TYPE bigint;
