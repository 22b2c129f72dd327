ALTER TABLE ordres ADD COLUMN x integer;
