ALTER TABLE kv RENAME TO key_values;
ALTER TABLE kv ADD COLUMN note text;
