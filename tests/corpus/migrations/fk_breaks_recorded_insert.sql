DELETE FROM order_items WHERE product_id > 30000 OR product_id = 12;
DELETE FROM products WHERE id = 12;
ALTER TABLE order_items ADD CONSTRAINT order_items_product_fk FOREIGN KEY (product_id) REFERENCES products (id) NOT VALID;
