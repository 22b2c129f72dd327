ALTER TABLE accounts ALTER COLUMN phone TYPE email_address;
