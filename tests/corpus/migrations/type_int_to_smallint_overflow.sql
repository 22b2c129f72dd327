ALTER TABLE payments ALTER COLUMN order_id TYPE smallint;
