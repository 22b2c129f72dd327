ALTER TABLE Legacy_Items ADD COLUMN note text;
