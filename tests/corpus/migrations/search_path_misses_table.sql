SET search_path = billing;
CREATE INDEX orders_code_idx ON orders (code);
