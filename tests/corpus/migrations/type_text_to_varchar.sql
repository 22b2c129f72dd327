ALTER TABLE audit_log ALTER COLUMN actor TYPE varchar(50);
