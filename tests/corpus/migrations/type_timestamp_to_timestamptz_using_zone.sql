ALTER TABLE accounts ALTER COLUMN seen_at TYPE timestamptz USING seen_at AT TIME ZONE 'UTC';
