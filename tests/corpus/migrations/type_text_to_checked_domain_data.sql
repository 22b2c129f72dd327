ALTER TABLE import_rows ALTER COLUMN payload TYPE email_address;
