ALTER TABLE audit_log RENAME COLUMN tag TO label;
