CREATE STATISTICS orders_state_region (dependencies, ndistinct) ON state, region FROM orders;
