ALTER TABLE readings_east ALTER COLUMN value TYPE real;
