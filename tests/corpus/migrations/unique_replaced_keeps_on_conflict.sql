CREATE UNIQUE INDEX CONCURRENTLY accounts_email_uq ON accounts (email);
ALTER TABLE accounts DROP CONSTRAINT accounts_email_key;
