BEGIN;
LOCK TABLE audit_log IN SHARE ROW EXCLUSIVE MODE;
CREATE TABLE audit_log_new (LIKE audit_log INCLUDING ALL);
INSERT INTO audit_log_new SELECT * FROM audit_log;
ALTER TABLE audit_log RENAME TO audit_log_old;
ALTER TABLE audit_log_new RENAME TO audit_log;
COMMIT;
