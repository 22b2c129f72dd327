ALTER TABLE accounts ALTER COLUMN phone TYPE varchar(40);
