ALTER TABLE accounts ALTER COLUMN email TYPE email_address;
