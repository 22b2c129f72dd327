ALTER TABLE audit_log ALTER COLUMN entry TYPE jsonb;
