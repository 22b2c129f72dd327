ALTER TABLE orders ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now();
