CREATE FUNCTION broken() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABEL orders ADD COLUMN x integer;
END $$;
