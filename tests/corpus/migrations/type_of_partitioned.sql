ALTER TABLE events ALTER COLUMN account_id TYPE integer;
