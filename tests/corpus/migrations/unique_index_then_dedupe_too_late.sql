BEGIN;
ALTER TABLE kv ADD CONSTRAINT kv_key_key UNIQUE (key);
DELETE FROM kv a USING kv b WHERE a.key = b.key AND a.ctid < b.ctid;
COMMIT;
