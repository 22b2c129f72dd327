SET timezone = 'Europe/Berlin';
ALTER TABLE accounts ALTER COLUMN seen_at TYPE timestamptz(3);
