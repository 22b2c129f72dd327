REINDEX INDEX orders_placed_idx;
