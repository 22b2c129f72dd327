DO $$
DECLARE c text := 'EUR';
BEGIN
    EXECUTE 'UPDATE orders SET currency = $1 WHERE currency <> $1' USING c;
END $$;
