ALTER TABLE payments ADD CONSTRAINT reference_short CHECK (length(reference) < 20);
