CREATE TABLE orders_archive (LIKE orders);
INSERT INTO orders_archive SELECT * FROM orders WHERE placed_at < '2025-03-01';
