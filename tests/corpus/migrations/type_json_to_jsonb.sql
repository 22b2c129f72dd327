ALTER TABLE accounts ALTER COLUMN preferences TYPE jsonb;
