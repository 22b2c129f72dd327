CREATE INDEX CONCURRENTLY orders_colour_idx ON orders (colour);
