ALTER TABLE products ALTER COLUMN legacy_code TYPE integer USING CASE WHEN legacy_code ~ '^[0-9]+$' THEN legacy_code::integer END;
