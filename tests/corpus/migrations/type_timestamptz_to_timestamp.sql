SET timezone = 'UTC';
ALTER TABLE orders ALTER COLUMN shipped_at TYPE timestamp;
