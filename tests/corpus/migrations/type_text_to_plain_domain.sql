ALTER TABLE audit_log ALTER COLUMN tag TYPE plain_text;
