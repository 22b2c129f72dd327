ALTER TABLE orders ADD CONSTRAINT rating_nn NOT NULL rating;
