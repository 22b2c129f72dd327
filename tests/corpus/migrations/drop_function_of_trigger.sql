DROP FUNCTION log_payment();
