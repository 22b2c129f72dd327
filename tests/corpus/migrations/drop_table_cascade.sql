DROP TABLE order_items CASCADE;
