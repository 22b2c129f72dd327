ALTER TABLE products ALTER COLUMN labels TYPE text[];
