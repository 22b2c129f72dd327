ALTER TABLE plans ADD CONSTRAINT price_positive CHECK (price > 0);
