ALTER TABLE accounts ALTER COLUMN seen_at TYPE timestamp(0);
