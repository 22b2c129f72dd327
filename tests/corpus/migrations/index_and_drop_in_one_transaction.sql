BEGIN;
DROP INDEX orders_account_idx;
CREATE INDEX orders_account_placed_idx ON orders (account_id, placed_at);
COMMIT;
