ALTER TABLE audit_log ALTER COLUMN entry TYPE text USING entry::text;
ALTER TABLE audit_log ALTER COLUMN tag TYPE integer USING 0;
