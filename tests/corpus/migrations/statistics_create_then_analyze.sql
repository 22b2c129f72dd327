CREATE STATISTICS orders_state_region (mcv) ON state, region FROM orders;
ANALYZE orders;
