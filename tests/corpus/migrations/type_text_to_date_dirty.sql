ALTER TABLE import_rows ALTER COLUMN happened TYPE date USING happened::date;
