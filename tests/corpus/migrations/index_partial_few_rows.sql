CREATE INDEX orders_lost_idx ON orders (id) WHERE state = 'lost';
