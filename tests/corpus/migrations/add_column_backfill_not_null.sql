ALTER TABLE accounts ADD COLUMN handle text;
UPDATE accounts SET handle = 'h' || id;
ALTER TABLE accounts ALTER COLUMN handle SET NOT NULL;
