ALTER TABLE kv ALTER COLUMN value TYPE jsonb USING value::jsonb;
