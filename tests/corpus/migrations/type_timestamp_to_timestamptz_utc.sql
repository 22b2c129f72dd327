SET timezone = 'UTC';
ALTER TABLE sessions ALTER COLUMN expires TYPE timestamptz(0);
