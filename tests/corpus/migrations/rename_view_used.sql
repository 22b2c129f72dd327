ALTER VIEW open_orders RENAME TO orders_open;
