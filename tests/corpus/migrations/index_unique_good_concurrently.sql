CREATE UNIQUE INDEX CONCURRENTLY orders_code_uq ON orders (code);
