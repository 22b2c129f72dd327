DROP INDEX IF EXISTS orders_nothing_idx;
