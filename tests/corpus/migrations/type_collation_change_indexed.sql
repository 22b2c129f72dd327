ALTER TABLE sessions ALTER COLUMN token TYPE varchar(64) COLLATE "C";
