UPDATE import_rows SET amount = replace(amount, ',', '.') WHERE amount LIKE '%,%';
ALTER TABLE import_rows ALTER COLUMN amount TYPE numeric USING amount::numeric;
