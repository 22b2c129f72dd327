DO $$
BEGIN
    ALTER TABLE accounts ALTER COLUMN full_name SET NOT NULL;
END $$;
