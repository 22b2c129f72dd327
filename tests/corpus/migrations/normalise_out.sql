CREATE TABLE regions (id serial PRIMARY KEY, name text UNIQUE);
INSERT INTO regions (name) SELECT DISTINCT region FROM orders;
ALTER TABLE orders ADD COLUMN region_id integer;
UPDATE orders SET region_id = r.id FROM regions r WHERE r.name = orders.region;
ALTER TABLE orders ADD CONSTRAINT orders_region_fk FOREIGN KEY (region_id) REFERENCES regions (id) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT orders_region_fk;
