CREATE TABLE payments_new (LIKE payments INCLUDING DEFAULTS);
INSERT INTO payments_new SELECT * FROM payments;
BEGIN;
ALTER TABLE payments RENAME TO payments_old;
ALTER TABLE payments_new RENAME TO payments;
COMMIT;
