DO $$
BEGIN
    EXECUTE 'ALTER TABLE ordres ADD COLUMN x integer';
END $$;
