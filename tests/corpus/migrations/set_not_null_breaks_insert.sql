UPDATE audit_log SET actor = 'unknown' WHERE actor IS NULL;
ALTER TABLE audit_log ALTER COLUMN actor SET NOT NULL;
