DROP TRIGGER payments_log ON payments;
