ALTER TABLE orders DROP COLUMN note, ADD COLUMN remarks text;
