ALTER TABLE products ADD COLUMN price_milli bigint GENERATED ALWAYS AS (price_cents * 10) STORED;
