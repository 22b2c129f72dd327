ALTER TABLE sessions ALTER COLUMN data TYPE uuid USING data::uuid;
