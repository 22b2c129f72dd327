BEGIN;
ALTER TABLE accounts DROP COLUMN nickname;
