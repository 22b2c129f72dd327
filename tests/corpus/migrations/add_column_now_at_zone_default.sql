ALTER TABLE orders ADD COLUMN noted_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC');
