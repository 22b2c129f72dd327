ALTER TABLE accounts RENAME COLUMN birth_year TO year_of_birth;
