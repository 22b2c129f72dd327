CREATE INDEX CONCURRENTLY a_idx ON orders (coupon);
CREATE INDEX CONCURRENTLY a_idx ON payments (fee);
