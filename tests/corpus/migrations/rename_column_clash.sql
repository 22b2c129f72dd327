ALTER TABLE accounts RENAME COLUMN nickname TO email;
