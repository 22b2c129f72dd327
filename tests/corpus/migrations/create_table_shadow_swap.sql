BEGIN;
CREATE TABLE kv_new (key text, value text, version bigint);
INSERT INTO kv_new SELECT key, value, version FROM kv;
DROP TABLE kv;
ALTER TABLE kv_new RENAME TO kv;
COMMIT;
