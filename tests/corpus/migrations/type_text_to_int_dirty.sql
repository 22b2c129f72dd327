ALTER TABLE products ALTER COLUMN legacy_code TYPE integer USING legacy_code::integer;
