UPDATE import_rows SET payload = 'x@example.org';
ALTER TABLE import_rows ALTER COLUMN payload TYPE email_address;
