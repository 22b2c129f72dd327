BEGIN;
TRUNCATE kv;
INSERT INTO kv SELECT code, state, rating FROM orders;
COMMIT;
