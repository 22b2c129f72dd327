ALTER TABLE accounts ALTER COLUMN full_name TYPE citext;
