ALTER TABLE sessions ALTER COLUMN token TYPE citext;
