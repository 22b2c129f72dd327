SET lock_timeout = '1s';
ALTER TABLE orders ADD COLUMN channel text;
CREATE INDEX orders_channel_idx ON orders (channel);
COMMENT ON COLUMN orders.channel IS 'web or shop';
