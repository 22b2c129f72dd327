CREATE FUNCTION migrate() RETURNS void LANGUAGE sql AS $$
    ALTER TABLE orders ALTER COLUMN rating SET NOT NULL;
$$;
SELECT migrate();
DROP FUNCTION migrate();
