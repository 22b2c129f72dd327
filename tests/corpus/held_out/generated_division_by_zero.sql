ALTER TABLE orders ADD COLUMN per_parcel numeric GENERATED ALWAYS AS (total / parcels) STORED;
