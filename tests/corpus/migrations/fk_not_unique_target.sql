ALTER TABLE payments ADD CONSTRAINT payments_code_fk FOREIGN KEY (reference) REFERENCES orders (code);
