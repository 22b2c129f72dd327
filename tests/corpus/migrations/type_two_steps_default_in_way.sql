ALTER TABLE sessions ADD COLUMN kind text DEFAULT 'web';
ALTER TABLE sessions ALTER COLUMN kind TYPE integer USING length(kind);
