ALTER TABLE orders ADD COLUMN IF NOT EXISTS lottery double precision DEFAULT random();
