CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS accounts_email_ci ON accounts (lower(email));
