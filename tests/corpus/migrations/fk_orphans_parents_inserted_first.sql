INSERT INTO categories (id, title) SELECT n, 'New ' || n FROM generate_series(41, 45) n;
ALTER TABLE products ADD CONSTRAINT products_category_fk FOREIGN KEY (category_id) REFERENCES categories (id);
