ALTER TABLE products ALTER COLUMN labels TYPE varchar(50)[];
