COMMENT ON COLUMN orders.colour IS 'none';
