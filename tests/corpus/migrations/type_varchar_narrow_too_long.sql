ALTER TABLE accounts ALTER COLUMN nickname TYPE varchar(20);
