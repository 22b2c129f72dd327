CREATE INDEX CONCURRENTLY orders_by_account_and_placed_at_and_state_and_currency_and_coupon_idx ON orders (account_id, placed_at, state);
