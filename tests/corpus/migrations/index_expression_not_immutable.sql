CREATE INDEX orders_shipped_day_idx ON orders ((shipped_at::date));
