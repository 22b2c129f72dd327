ALTER TABLE orders DROP CONSTRAINT orders_parcels_check;
ALTER TABLE orders RENAME parcels TO parcel_count;
