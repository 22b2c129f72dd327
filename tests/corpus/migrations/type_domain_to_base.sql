ALTER TABLE contacts ALTER COLUMN address TYPE text;
