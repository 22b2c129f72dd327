DELETE FROM kv a USING kv b WHERE a.key = b.key AND a.ctid < b.ctid;
ALTER TABLE kv ADD CONSTRAINT kv_key_key UNIQUE (key);
