BEGIN;
ALTER TABLE accounts ADD COLUMN handle text;
UPDATE accounts SET handle = 'h' || id;
COMMIT;
