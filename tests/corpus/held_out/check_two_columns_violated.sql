ALTER TABLE orders ADD CONSTRAINT discount_below CHECK (discount <= total - 1);
