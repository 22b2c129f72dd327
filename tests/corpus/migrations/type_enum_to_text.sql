ALTER TABLE payments ALTER COLUMN method TYPE text;
