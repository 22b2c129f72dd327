DELETE FROM order_items WHERE product_id NOT IN (SELECT id FROM products);
ALTER TABLE order_items ADD CONSTRAINT order_items_product_fk FOREIGN KEY (product_id) REFERENCES products (id);
