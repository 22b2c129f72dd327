BEGIN;
ALTER TABLE plans ALTER COLUMN name SET NOT NULL;
UPDATE plans SET price = (SELECT avg(total) FROM orders) WHERE id = 1;
COMMIT;
