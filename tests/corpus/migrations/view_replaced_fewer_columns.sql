CREATE OR REPLACE VIEW open_orders AS SELECT id, account_id FROM orders WHERE state = 'open';
