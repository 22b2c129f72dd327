SET lock_timeout = '1s';
ALTER TABLE orders ADD COLUMN channel text;
COMMENT ON COLUMN orders.channel IS 'web or shop';
ALTER TABLE orders ALTER COLUMN channel SET DEFAULT 'web';
CREATE INDEX CONCURRENTLY orders_channel_idx ON orders (channel);
ALTER TABLE orders ADD CONSTRAINT channel_known CHECK (channel IN ('web', 'shop')) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT channel_known;
