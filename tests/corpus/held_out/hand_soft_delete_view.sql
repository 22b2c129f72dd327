BEGIN;
ALTER TABLE tenants ADD COLUMN deleted_at timestamptz;
CREATE VIEW live_tenants AS SELECT * FROM tenants WHERE deleted_at IS NULL;
COMMIT;
