ALTER TABLE sessions ALTER COLUMN length TYPE interval;
