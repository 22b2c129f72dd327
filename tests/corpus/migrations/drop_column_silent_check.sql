ALTER TABLE orders ADD CONSTRAINT rating_parcels CHECK (rating < parcels + 10) NOT VALID;
ALTER TABLE orders DROP COLUMN rating;
