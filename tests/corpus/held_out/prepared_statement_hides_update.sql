BEGIN;
ALTER TABLE rooms ADD COLUMN floor integer;
PREPARE fill AS UPDATE audit_log SET tag = 'x' WHERE tag = 'tag-1';
EXECUTE fill;
COMMIT;
