ALTER TABLE sessions ALTER COLUMN address TYPE cidr;
