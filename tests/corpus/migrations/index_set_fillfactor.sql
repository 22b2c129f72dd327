ALTER INDEX orders_placed_idx SET (fillfactor = 80);
