DO $$
BEGIN
    ALTER TABEL orders ADD COLUMN x integer;
END $$;
