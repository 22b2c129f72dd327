CREATE OR REPLACE VIEW open_orders AS SELECT id, account_id, total, placed_at, region FROM orders WHERE state = 'open';
