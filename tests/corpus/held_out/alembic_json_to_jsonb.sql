BEGIN;
ALTER TABLE audit_log ALTER COLUMN entry TYPE JSONB USING entry::text::jsonb;
COMMIT;
