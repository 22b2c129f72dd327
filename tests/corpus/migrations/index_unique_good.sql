CREATE UNIQUE INDEX orders_code_uq ON orders (code);
