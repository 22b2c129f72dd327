ALTER TABLE kv ALTER COLUMN value TYPE boolean USING (value = '1');
