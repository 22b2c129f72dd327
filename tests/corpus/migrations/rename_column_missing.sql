ALTER TABLE accounts RENAME COLUMN fullname TO display_name;
