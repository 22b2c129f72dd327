ALTER TABLE accounts ALTER COLUMN last_ip TYPE inet;
