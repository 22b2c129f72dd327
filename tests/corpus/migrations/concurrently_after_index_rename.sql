DROP INDEX CONCURRENTLY IF EXISTS orders_state_total_idx;
CREATE INDEX CONCURRENTLY orders_state_total_idx ON orders (state, total, currency);
