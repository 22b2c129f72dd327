ALTER TABLE orders ALTER COLUMN parcels TYPE bigint;
