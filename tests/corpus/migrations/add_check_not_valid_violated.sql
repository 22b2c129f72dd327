ALTER TABLE products ADD CONSTRAINT stock_positive CHECK (stock >= 0) NOT VALID;
