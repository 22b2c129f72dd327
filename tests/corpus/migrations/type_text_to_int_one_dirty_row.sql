ALTER TABLE import_rows ALTER COLUMN amount TYPE numeric USING amount::numeric;
