UPDATE products SET category_id = NULL WHERE category_id > 40;
ALTER TABLE products ADD CONSTRAINT products_category_fk FOREIGN KEY (category_id) REFERENCES categories (id) NOT VALID;
ALTER TABLE products VALIDATE CONSTRAINT products_category_fk;
