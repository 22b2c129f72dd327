ALTER TABLE sessions ADD CONSTRAINT sessions_account_fk FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE NOT VALID;
DELETE FROM sessions s WHERE account_id IS NOT NULL AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = s.account_id);
ALTER TABLE sessions VALIDATE CONSTRAINT sessions_account_fk;
