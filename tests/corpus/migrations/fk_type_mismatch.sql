ALTER TABLE payments ADD CONSTRAINT payments_order_fk FOREIGN KEY (external_id) REFERENCES orders (id);
