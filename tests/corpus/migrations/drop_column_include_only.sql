CREATE INDEX CONCURRENTLY products_added_idx ON products (added_on) INCLUDE (labels);
ALTER TABLE products DROP COLUMN labels;
