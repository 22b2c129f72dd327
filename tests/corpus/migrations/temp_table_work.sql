CREATE TEMP TABLE picked AS SELECT id FROM orders WHERE state = 'returned';
CREATE INDEX ON picked (id);
UPDATE orders SET rating = 1 FROM picked WHERE picked.id = orders.id AND orders.id < 50;
