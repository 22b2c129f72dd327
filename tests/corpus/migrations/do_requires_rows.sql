DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM countries WHERE code = 'DE') THEN
        RAISE EXCEPTION 'load the countries first';
    END IF;
END $$;
