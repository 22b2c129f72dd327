ALTER TABLE sessions ALTER COLUMN token TYPE uuid USING token::uuid;
