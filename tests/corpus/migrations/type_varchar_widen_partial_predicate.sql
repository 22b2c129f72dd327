ALTER TABLE orders ALTER COLUMN region TYPE varchar(50);
