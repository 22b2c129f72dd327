UPDATE accounts SET nickname = full_name WHERE nickname IS NULL;
ALTER TABLE accounts ALTER COLUMN nickname SET NOT NULL;
