COMMENT ON TABLE orders IS 'all orders';
COMMENT ON COLUMN orders.code IS 'printed on the parcel';
